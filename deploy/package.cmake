# install() of Tidegate, and a .deb:  cpack -G DEB --config build/CPackConfig.cmake -B build
#
# Included by the root CMakeLists.txt after src/. Shared libraries become dependencies by dpkg-shlibdeps.
# Installs what was built, and builds nothing: first `ninja tidegate`.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
include(GNUInstallDirs)
install(TARGETS tidegate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/profiles DESTINATION ${CMAKE_INSTALL_DATADIR}/tidegate
        FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/deploy/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/deploy/prometheus/rules.yaml
              ${CMAKE_SOURCE_DIR}/deploy/grafana/tidegate.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/tidegate)
# Where systemd looks, whatever the prefix of the rest is called.
install(FILES ${CMAKE_SOURCE_DIR}/deploy/systemd/tidegate.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/deploy/systemd/tidegate.sysusers DESTINATION lib/sysusers.d
        RENAME tidegate.conf)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tidegate)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Tidegate authors <tidegate@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Autoscaler and gateway of LLM inference fleets")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Keeps as many replicas of inference engines as the traffic needs within its
SLO, and sends each request to the right one: on one machine, or on a cluster
beside Prometheus, KEDA and HPA. Simulator and emulated engine are built in.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
                                       ${CMAKE_SOURCE_DIR}/deploy/debian/prerm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
