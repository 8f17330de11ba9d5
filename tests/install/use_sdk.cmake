# Builds and runs a foreign project that uses the SDK, outside the tree.
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# configure FOLDER OPTION...: the foreign project; leaves its exit status and its words in the caller.
function(configure folder)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/foreign -B ${folder} -G ${GENERATOR}
      -D CMAKE_CXX_COMPILER=${COMPILER} ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE words ERROR_VARIABLE words)
  set(status ${status} PARENT_SCOPE)
  set(words "${words}" PARENT_SCOPE)
endfunction()

function(expect_success)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "the foreign project could not be configured:\n${words}")
  endif()
endfunction()

# expect_failure WORDS: a configuration that must be refused, and why.
function(expect_failure expected)
  string(REGEX REPLACE "[ \n]+" " " flat "${words}")
  if(status EQUAL 0 OR NOT flat MATCHES "${expected}")
    message(FATAL_ERROR "expected a refusal with '${expected}':\n${words}")
  endif()
endfunction()

file(REMOVE_RECURSE ${FOLDER})
if(WAY STREQUAL find_package)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${FOLDER}/first --component sdk)
  # A tree that was moved after it was installed must work as well.
  file(RENAME ${FOLDER}/first ${FOLDER}/moved)
  configure(${FOLDER}/build -D CMAKE_PREFIX_PATH=${FOLDER}/moved)
  expect_success()
  configure(${FOLDER}/too-new -D CMAKE_PREFIX_PATH=${FOLDER}/moved -D WANTED_VERSION=99.0)
  expect_failure("99.0")
  configure(${FOLDER}/no-such -D CMAKE_PREFIX_PATH=${FOLDER}/moved -D WANTED_COMPONENT=nosuch)
  expect_failure("no component 'nosuch'")
else()
  # Static here; the installed one is what the build made.
  configure(${FOLDER}/build -D LINARITE_SOURCE=${SOURCE} -D BUILD_SHARED_LIBS=OFF
    -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS_DEBUG=-O0)
  expect_success()
endif()
run(${CMAKE_COMMAND} --build ${FOLDER}/build --target app app_test --parallel 2)
run(${FOLDER}/build/app)
run(${FOLDER}/build/app_test)

if(WAY STREQUAL find_package)
  # The example as whoever installed us has it.
  run(${CMAKE_COMMAND} -S ${SOURCE}/examples/cpp -B ${FOLDER}/examples -G ${GENERATOR}
    -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_PREFIX_PATH=${FOLDER}/moved)
  run(${CMAKE_COMMAND} --build ${FOLDER}/examples --target unit_test_with_hub)
  run(${FOLDER}/examples/unit_test_with_hub)
  foreach(face device service testing)
    execute_process(
      COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${FOLDER}/moved/${LIBDIR}/pkgconfig
        pkg-config --cflags --libs linarite-${face}
      OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
    if(NOT flags MATCHES "-llinarite_client" OR flags MATCHES "${FOLDER}/first")
      message(FATAL_ERROR "pkg-config says: ${flags}")
    endif()
  endforeach()
endif()
message("1 passed: the SDK by ${WAY}")
