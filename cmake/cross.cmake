# Compiles for another machine with Debian's cross compiler and a sysroot made by deploy/sysroot:
#
#   cmake -B build/arm64 -G Ninja --toolchain cmake/cross.cmake -DPENSTOCK_SYSROOT=FOLDER \
#     -DPENSTOCK_MACHINE=aarch64 -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O2
#
# Programs that the build itself runs are started under qemu-user, where there is one.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PENSTOCK_MACHINE PENSTOCK_SYSROOT)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${PENSTOCK_MACHINE})
set(triplet ${PENSTOCK_MACHINE}-linux-gnu)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
set(CMAKE_SYSROOT ${PENSTOCK_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_LIBDIR}
  ${PENSTOCK_SYSROOT}/usr/lib/${triplet}/pkgconfig:${PENSTOCK_SYSROOT}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${PENSTOCK_SYSROOT})
find_program(PENSTOCK_QEMU NAMES qemu-${PENSTOCK_MACHINE}-static qemu-${PENSTOCK_MACHINE})
if(PENSTOCK_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${PENSTOCK_QEMU};-L;${PENSTOCK_SYSROOT})
endif()
