# cmake --install: headers, the library, LinariteConfig.cmake and pkg-config files. Nothing in them
# names the prefix, so the tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS linarite_client linarite_device linarite_service
  EXPORT LinariteTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT sdk)
install(DIRECTORY include/linarite DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Linarite)
install(EXPORT LinariteTargets NAMESPACE Linarite:: DESTINATION ${package_dir} COMPONENT sdk)
set(LINARITE_BOOST_VERSION 1.81)
set(LINARITE_COMPONENTS "device service")
if(LINARITE_TESTING)
  string(APPEND LINARITE_COMPONENTS " testing")
endif()
# A static library leaves linking Boost's own to its user.
set(LINARITE_BOOST_COMPONENTS "")
set(LINARITE_PC_DEFINITION "")
set(LINARITE_PC_REQUIRES "")
set(LINARITE_PC_LIBS "")
if(NOT BUILD_SHARED_LIBS)
  set(LINARITE_BOOST_COMPONENTS " COMPONENTS json")
  set(LINARITE_PC_DEFINITION " -DLINARITE_CLIENT_STATIC")
  set(LINARITE_PC_REQUIRES "openssl >= 3, fmt, spdlog")
  set(LINARITE_PC_LIBS "-lboost_json")
endif()
configure_package_config_file(LinariteConfig.cmake.in LinariteConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(LinariteConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/LinariteConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/LinariteConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT sdk)

set(description_device "Client library for devices of an Azure-compatible IoT hub")
set(description_service "Client library for back ends of an Azure-compatible IoT hub")
set(description_testing "An Azure-compatible IoT hub inside of tests")
set(faces device service)
if(LINARITE_TESTING)
  list(APPEND faces testing)
endif()
# From the folder of the files back to the prefix.
file(RELATIVE_PATH LINARITE_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
foreach(face IN LISTS faces)
  set(description ${description_${face}})
  set(LINARITE_PC_LINK "-llinarite_client")
  if(face STREQUAL testing)
    set(LINARITE_PC_LINK "-llinarite_testing -llinarite_client")
    if(NOT BUILD_SHARED_LIBS)
      string(APPEND LINARITE_PC_REQUIRES ", prometheus-cpp-core, liblz4")
    endif()
  endif()
  configure_file(linarite.pc.in linarite-${face}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/linarite-${face}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk)
endforeach()
