# The libraries that run models, as Levada::xgboost and Levada::onnxruntime.
#
# Debian's XGBoost is too old: it misreads files of XGBoost 3. ONNX Runtime is in no package of Debian 12 or
# Ubuntu 24.04. Both come from PyPI's wheels, which `./dev setup` unpacks:
#   LEVADA_MODEL_LIBRARIES   the folder; default: .deps/models
# Their C interfaces only ever grow, so that older headers do: XGBoost's is the system's libxgboost-dev's, ONNX
# Runtime's are beside the libraries.
if(TARGET Levada::xgboost AND TARGET Levada::onnxruntime)
  set(LevadaModels_FOUND TRUE)
  return()
endif()

set(LEVADA_MODEL_LIBRARIES "${CMAKE_SOURCE_DIR}/.deps/models" CACHE PATH "Folder of the libraries that run models")
file(GLOB _gomp "${LEVADA_MODEL_LIBRARIES}/lib/libgomp-*.so*")
find_library(LEVADA_XGBOOST xgboost PATHS "${LEVADA_MODEL_LIBRARIES}/lib" NO_DEFAULT_PATH)
find_library(LEVADA_ONNXRUNTIME libonnxruntime.so.1 PATHS "${LEVADA_MODEL_LIBRARIES}/lib" NO_DEFAULT_PATH)
find_path(XGBOOST_INCLUDE_DIR xgboost/c_api.h)
find_path(ONNXRUNTIME_INCLUDE_DIR onnxruntime_cxx_api.h
          PATHS "${LEVADA_MODEL_LIBRARIES}/include" /usr/include/onnxruntime)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LevadaModels
  REQUIRED_VARS LEVADA_XGBOOST _gomp LEVADA_ONNXRUNTIME XGBOOST_INCLUDE_DIR ONNXRUNTIME_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run ./dev setup")
if(NOT LevadaModels_FOUND)
  return()
endif()

add_library(Levada::gomp SHARED IMPORTED)
set_target_properties(Levada::gomp PROPERTIES IMPORTED_LOCATION "${_gomp}")
# libxgboost looks for its OpenMP where the wheel had it; a program that needs both by itself finds both.
add_library(Levada::xgboost SHARED IMPORTED)
set_target_properties(Levada::xgboost PROPERTIES
  IMPORTED_LOCATION "${LEVADA_XGBOOST}"
  INTERFACE_INCLUDE_DIRECTORIES "${XGBOOST_INCLUDE_DIR}"
  INTERFACE_LINK_OPTIONS "SHELL:-Wl,--no-as-needed ${_gomp} -Wl,--as-needed")
add_library(Levada::onnxruntime SHARED IMPORTED)
set_target_properties(Levada::onnxruntime PROPERTIES
  IMPORTED_LOCATION "${LEVADA_ONNXRUNTIME}"
  INTERFACE_INCLUDE_DIRECTORIES "${ONNXRUNTIME_INCLUDE_DIR}")
