# The flags of every target: strict warnings, hardening, and the sanitizers of a sanitizer build.
add_library(linarite_options INTERFACE)
target_compile_options(linarite_options INTERFACE
  -Wall -Wextra -Wconversion -Werror -Wno-psabi -Wno-missing-field-initializers -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(linarite_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  _GLIBCXX_ASSERTIONS)
if(LINARITE_SANITIZE)
  target_compile_options(linarite_options INTERFACE
    -fsanitize=${LINARITE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(linarite_options INTERFACE -fsanitize=${LINARITE_SANITIZE})
else()
  target_compile_definitions(linarite_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
  target_link_options(linarite_options INTERFACE -Wl,-z,relro,-z,now)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND LINARITE_SANITIZE MATCHES "thread")
  # Asio's fences, which add nothing to the locks that TSan does see.
  target_compile_options(linarite_options INTERFACE -Wno-tsan)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely in libstdc++'s own inlined code (GCC bugs 105329, 105562).
  target_compile_options(linarite_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized
    -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()

find_program(LINARITE_CCACHE ccache)
if(LINARITE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LINARITE_CCACHE})
endif()
find_program(LINARITE_MOLD mold)
if(LINARITE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
