# penstock_precompile(<target> [standard|asio|tests]): the headers that nearly every source includes
# are parsed once for all targets; parsing them is half to nine tenths of what a source costs. Every
# source still includes what it uses: PENSTOCK_PRECOMPILE=OFF builds without.
option(PENSTOCK_PRECOMPILE "precompile the headers that most sources include (GCC)" ON)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(PENSTOCK_PRECOMPILE OFF)
endif()

function(penstock_precompiled_headers name)
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled/${name}.cc "")
  add_library(penstock_precompiled_${name} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${name}.cc)
  target_link_libraries(penstock_precompiled_${name} PRIVATE penstock_flags Threads::Threads)
  target_precompile_headers(penstock_precompiled_${name} PRIVATE ${ARGN})
endfunction()

set(standard_headers <algorithm> <array> <atomic> <charconv> <chrono> <cstdint> <cstdio> <cstring>
  <deque> <functional> <list> <map> <memory> <mutex> <optional> <random> <set> <span> <string>
  <string_view> <thread> <tl/expected.hpp> <unordered_map> <utility> <vector>)
if(PENSTOCK_PRECOMPILE)
  penstock_precompiled_headers(standard ${standard_headers})
  penstock_precompiled_headers(asio ${standard_headers} <boost/asio/as_tuple.hpp>
    <boost/asio/awaitable.hpp> <boost/asio/co_spawn.hpp> <boost/asio/detached.hpp>
    <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp> <boost/asio/post.hpp>
    <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>)
  if(PENSTOCK_TESTS)
    penstock_precompiled_headers(tests ${standard_headers} <gmock/gmock.h> <gtest/gtest.h>)
    target_link_libraries(penstock_precompiled_tests PRIVATE
      GTest::gmock penstock_test_flags)  # their definitions and flags
  endif()
endif()

function(penstock_precompile target)
  if(NOT PENSTOCK_PRECOMPILE)
    return()
  endif()
  set(headers ${ARGN})
  if(NOT headers)
    set(headers standard)
  endif()
  target_precompile_headers(${target} REUSE_FROM penstock_precompiled_${headers})
endfunction()
