# tidegate_library(NAME DEPS a b ...)
#
# One folder, one library: every *.cc beside the calling CMakeLists.txt goes into NAME, every *_test.cc
# into the test binary NAME_test. DEPS are all the libraries this folder may include; the architecture
# test (tests/architecture_test.py) reads the includes and holds them against the same rule.
function(tidegate_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${name} INTERFACE ${ARG_DEPS})
  endif()
  if(TIDEGATE_TESTS AND tests)
    add_executable(${name}_test ${tests})
    # Tests are compiled once and run once: the time to build them counts most.
    # g++ 12 at -O1 takes a test's own operator new for a mismatch with its own operator delete.
    set(level -O1)
    if(TIDEGATE_SANITIZE)
      set(level -O0)
    elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
      list(APPEND level -g0)  # a failed test names its line itself
    endif()
    target_compile_options(${name}_test PRIVATE ${level}
                           $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)
    target_link_libraries(${name}_test PRIVATE ${name} ${ARG_TEST_DEPS} GTest::gtest_main
                                               GTest::gmock)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()
