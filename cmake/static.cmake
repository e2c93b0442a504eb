# With PENSTOCK_STATIC_LIBRARIES=FOLDER (deploy/static-libraries): all libraries static except libc,
# zlib and OpenSSL, so that the program starts on a system that lacks them, and OpenSSL is that
# system's.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
foreach(package spdlog fmt yaml-cpp simdjson prometheus-cpp)
  find_package(${package} REQUIRED)
endforeach()
# Headers and definitions stay the shared ones', so that the objects are those of any other build.
foreach(pair spdlog::spdlog:spdlog fmt::fmt:fmt yaml-cpp:yaml-cpp simdjson::simdjson:simdjson
    prometheus-cpp::core:prometheus-cpp-core CURL::libcurl:curl)
  string(REGEX MATCH "^(.*):([^:]*)$" pair ${pair})
  set(target ${CMAKE_MATCH_1})
  set(file ${PENSTOCK_STATIC_LIBRARIES}/lib/lib${CMAKE_MATCH_2}.a)
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${file})
  if(configurations)
    foreach(configuration ${configurations})
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_${configuration} ${file})
    endforeach()
  endif()
endforeach()
set_property(TARGET CURL::libcurl APPEND PROPERTY
  INTERFACE_LINK_LIBRARIES OpenSSL::SSL OpenSSL::Crypto z)
# Libraries that are known by their names alone: the first folder that has one counts.
link_directories(BEFORE ${PENSTOCK_STATIC_LIBRARIES}/lib)
add_link_options(-static-libstdc++)
