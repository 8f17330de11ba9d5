# Linarite::testing: the hub's own code on the store in memory, for tests of programs that use the
# SDK. Nothing but public headers lies between it and Linarite::client; a shared one has copies of its
# own, which it hides, of the folders that both are made of (docs/decisions/0008-in-process-hub.md).
target_include_directories(linarite_in_process PUBLIC ${CMAKE_CURRENT_LIST_DIR}/include)
if(NOT BUILD_SHARED_LIBS)
  target_compile_definitions(linarite_in_process PUBLIC LINARITE_CLIENT_STATIC)
endif()
if(TARGET in_process_test)
  target_link_libraries(in_process_test PRIVATE linarite_sdk)
endif()

set(folders in_process gateway hub)
if(BUILD_SHARED_LIBS)
  list(APPEND folders websocket mqtt amqp http net wire base)
endif()
add_library(linarite_testing)
foreach(folder IN LISTS folders)
  target_sources(linarite_testing PRIVATE $<TARGET_OBJECTS:linarite_${folder}>)
endforeach()
# Not the embedded store, and so no RocksDB.
set(store ${PROJECT_SOURCE_DIR}/src/store)
target_sources(linarite_testing PRIVATE ${store}/batch.cc ${store}/memory/memory_store.cc)
target_include_directories(linarite_testing PRIVATE
  ${PROJECT_BINARY_DIR}/include/store ${PROJECT_BINARY_DIR}/include/base)
target_link_libraries(linarite_testing
  PUBLIC linarite_client
  PRIVATE OpenSSL::SSL OpenSSL::Crypto Boost::json fmt::fmt spdlog::spdlog prometheus-cpp::core lz4
  $<BUILD_INTERFACE:linarite_options>)
set_target_properties(linarite_testing PROPERTIES
  LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME testing
  INSTALL_RPATH "$ORIGIN")  # Where linarite_client lies, whoever loads it.
add_library(Linarite::testing ALIAS linarite_testing)
if(BUILD_SHARED_LIBS AND NOT APPLE)
  set(exports ${CMAKE_CURRENT_LIST_DIR}/testing_exports.map)
  target_link_options(linarite_testing PRIVATE "LINKER:--version-script=${exports}")
  set_property(TARGET linarite_testing APPEND PROPERTY LINK_DEPENDS ${exports})
endif()
if(LINARITE_INSTALL)
  install(TARGETS linarite_testing
    EXPORT LinariteTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT sdk)
endif()
