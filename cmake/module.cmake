# penstock_module(NAME <folder>
#   PRECOMPILED asio         its sources include Asio: headers precompiled with it
#   SOURCES a.cc b.cc        what the library is made of (written out, never globbed)
#   TESTS a_test.cc          one gtest binary <folder>_test, one ctest entry per binary
#   BENCHES a_bench.cc       one Google Benchmark binary <folder>_bench (PENSTOCK_BENCHES)
#   FUZZERS a_fuzz.cc        one libFuzzer binary per file (PENSTOCK_FUZZERS)
#   TEST_SOURCES fake.cc     helpers compiled into the tests, benches and fuzzers
#   DEPENDS base record      other folders of ours
#   LIBRARIES ssl zstd       outside libraries, public
#   TEST_DEPENDS ...         folders only the tests use
#   TEST_LIBRARIES ...       outside libraries only the tests use)
#
# A folder without SOURCES is header-only.
function(penstock_module)
  set(lists SOURCES TESTS BENCHES FUZZERS TEST_SOURCES DEPENDS LIBRARIES TEST_DEPENDS
    TEST_LIBRARIES)
  cmake_parse_arguments(M "" "NAME;PRECOMPILED" "${lists}" ${ARGN})
  set(library penstock_${M_NAME})
  list(TRANSFORM M_DEPENDS PREPEND penstock_)
  list(TRANSFORM M_TEST_DEPENDS PREPEND penstock_)
  if(M_SOURCES)
    add_library(${library} STATIC ${M_SOURCES})
    target_link_libraries(${library} PUBLIC
      penstock_flags ${M_DEPENDS} ${M_LIBRARIES} Threads::Threads)
    penstock_precompile(${library} ${M_PRECOMPILED})
  else()
    add_library(${library} INTERFACE)
    target_link_libraries(${library} INTERFACE
      penstock_flags ${M_DEPENDS} ${M_LIBRARIES} Threads::Threads)
  endif()

  set(test_libraries ${library} penstock_test_data ${M_TEST_DEPENDS} ${M_TEST_LIBRARIES})
  if(PENSTOCK_TESTS AND M_TESTS)
    add_executable(${M_NAME}_test ${M_TESTS} ${M_TEST_SOURCES})
    target_link_libraries(${M_NAME}_test PRIVATE
      ${test_libraries} GTest::gmock GTest::gtest_main penstock_test_flags)
    penstock_precompile(${M_NAME}_test tests)
    add_test(NAME ${M_NAME} COMMAND ${M_NAME}_test --gtest_brief=1)
    set_tests_properties(${M_NAME} PROPERTIES LABELS unit TIMEOUT ${PENSTOCK_TEST_TIMEOUT})
  endif()
  if(PENSTOCK_BENCHES AND M_BENCHES)
    add_executable(${M_NAME}_bench ${M_BENCHES} ${M_TEST_SOURCES})
    target_link_libraries(${M_NAME}_bench PRIVATE ${test_libraries} benchmark::benchmark_main)
  endif()
  if(PENSTOCK_FUZZERS)
    foreach(source ${M_FUZZERS})
      get_filename_component(target ${source} NAME_WE)
      add_executable(${target} ${source} ${M_TEST_SOURCES})
      target_link_libraries(${target} PRIVATE ${test_libraries} -fsanitize=fuzzer)
      set_property(GLOBAL APPEND PROPERTY PENSTOCK_FUZZ_TARGETS ${target})
    endforeach()
  endif()
endfunction()
