# Flags of every translation unit. Floating point must give the same bits everywhere: no contraction,
# no fast-math (see docs/development.md, "Bit for bit").
add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-restrict)  # g++ 12 raises it falsely on string concatenation
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-g1)
endif()
# Invariant checks stay on in every build.
foreach(kind C CXX)
  string(REPLACE "-DNDEBUG" "" CMAKE_${kind}_FLAGS_RELEASE "${CMAKE_${kind}_FLAGS_RELEASE}")
  string(REPLACE "-O3" "-O2" CMAKE_${kind}_FLAGS_RELEASE "${CMAKE_${kind}_FLAGS_RELEASE}")
endforeach()

if(TIDEGATE_SANITIZE)
  add_compile_options(-fsanitize=${TIDEGATE_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  if(TIDEGATE_SANITIZE MATCHES "address")
    # What these check at every access ASan sees where it matters; they are a third of the build.
    add_compile_options(-fno-sanitize=null,alignment,object-size,vptr)
  endif()
  add_link_options(-fsanitize=${TIDEGATE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Sanitizer checks lead g++ 12 to false findings (maybe-uninitialized, mismatched new and delete).
    add_compile_options(-Wno-maybe-uninitialized -Wno-mismatched-new-delete)
  endif()
endif()

if(TIDEGATE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
                                  CCACHE_NOHASHDIR=1 ${CCACHE})
endif()
