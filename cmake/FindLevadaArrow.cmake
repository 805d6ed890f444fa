# Arrow and Parquet as Arrow::arrow_shared and Parquet::parquet_shared.
#
# Neither Debian nor Ubuntu packages Arrow C++. It comes from the pyarrow wheel that `./dev setup`
# installs (headers and libraries are inside it), or else from Apache's own packages:
#   LEVADA_ARROW_WHEEL   the folder of an unpacked pyarrow wheel; default: the one in .deps/venv
# The wheel's libraries carry a version in their file names and have no .so link: they are linked by path.
if(TARGET Arrow::arrow_shared AND TARGET Parquet::parquet_shared)
  set(LevadaArrow_FOUND TRUE)
  return()
endif()

file(GLOB _wheels "${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/pyarrow")
find_path(LEVADA_ARROW_WHEEL include/arrow/api.h PATHS ${_wheels} NO_DEFAULT_PATH
          DOC "Folder of an unpacked pyarrow wheel")
unset(_wheels)

if(NOT LEVADA_ARROW_WHEEL)
  find_package(Arrow CONFIG QUIET)
  find_package(Parquet CONFIG QUIET)
  include(FindPackageHandleStandardArgs)
  find_package_handle_standard_args(LevadaArrow
    REQUIRED_VARS Arrow_FOUND Parquet_FOUND
    REASON_FAILURE_MESSAGE "run ./dev setup, or install Apache's libarrow-dev and libparquet-dev")
  return()
endif()

file(STRINGS "${LEVADA_ARROW_WHEEL}/include/arrow/util/config.h" LevadaArrow_VERSION
     REGEX "define ARROW_VERSION_STRING ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" LevadaArrow_VERSION "${LevadaArrow_VERSION}")
foreach(_name arrow parquet)
  file(GLOB _library_${_name} "${LEVADA_ARROW_WHEEL}/lib${_name}.so.*")
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LevadaArrow
  REQUIRED_VARS LEVADA_ARROW_WHEEL _library_arrow _library_parquet
  VERSION_VAR LevadaArrow_VERSION)
if(NOT LevadaArrow_FOUND)
  return()
endif()

add_library(Arrow::arrow_shared SHARED IMPORTED)
set_target_properties(Arrow::arrow_shared PROPERTIES
  IMPORTED_LOCATION "${_library_arrow}"
  INTERFACE_INCLUDE_DIRECTORIES "${LEVADA_ARROW_WHEEL}/include")

add_library(Parquet::parquet_shared SHARED IMPORTED)
set_target_properties(Parquet::parquet_shared PROPERTIES
  IMPORTED_LOCATION "${_library_parquet}"
  INTERFACE_LINK_LIBRARIES Arrow::arrow_shared)

# The wheel's libparquet exports an OpenSSL of its own. Were it found before the system's, TLS of gRPC,
# cpprest and librdkafka would run half in one and half in the other and crash. Link options stand
# before all objects and libraries, so these two come first in the program's search order.
find_package(OpenSSL REQUIRED)
set_property(TARGET Arrow::arrow_shared PROPERTY INTERFACE_LINK_OPTIONS
  "SHELL:-Wl,--no-as-needed ${OPENSSL_SSL_LIBRARY} ${OPENSSL_CRYPTO_LIBRARY} -Wl,--as-needed")
