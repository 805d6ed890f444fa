# cmake --install BUILD --prefix DIR --strip: the programs in DIR/bin, and in DIR/lib/levada the libraries
# that the system has no packages of: Arrow's, for archiving (see FindLevadaArrow.cmake), and those that run
# models, for scoring (see FindLevadaModels.cmake).
set(_programs levada levada-fetch levada-operator)
foreach(_service ingest scoring indexing archiving notify)
  list(APPEND _programs levada-${_service})
endforeach()
install(TARGETS ${_programs} RUNTIME)
# kubectl levada …
install(CODE "file(CREATE_LINK levada \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/bin/kubectl-levada\" SYMBOLIC)")
if(LEVADA_ARROW_WHEEL)
  set_target_properties(levada-archiving PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/levada")
  install(IMPORTED_RUNTIME_ARTIFACTS Arrow::arrow_shared Parquet::parquet_shared LIBRARY DESTINATION lib/levada)
endif()
set_target_properties(levada-scoring PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/levada")
install(IMPORTED_RUNTIME_ARTIFACTS Levada::xgboost Levada::gomp Levada::onnxruntime LIBRARY DESTINATION lib/levada)
