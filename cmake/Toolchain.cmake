# Language level, warnings, sanitizers, compiler cache and linker for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

option(LEVADA_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
set(LEVADA_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")
if(LEVADA_SANITIZE)
  add_compile_options(-fsanitize=${LEVADA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LEVADA_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With a sanitizer's code in it, GCC takes library code for uninitialized (its manual says so).
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
  if(LEVADA_SANITIZE STREQUAL "thread")
    # ThreadSanitizer does not understand fences; Asio's locks order everything without them.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
    # With it Protobuf's headers lay out a map otherwise than Debian's library does.
    add_compile_options(-U__SANITIZE_THREAD__)
    add_library(levada_tsan_threads OBJECT "${CMAKE_SOURCE_DIR}/tests/tsan_threads.cc")
    set(LEVADA_SANITIZER_OBJECTS levada_tsan_threads)
  endif()
endif()
if(LEVADA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Our own code only: generated files and dependencies do not get these.
set(LEVADA_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers)
