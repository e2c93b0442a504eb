# A Debian package with a systemd unit: cmake --build --preset release --target deb
# dpkg-shlibdeps determines what it depends on: scripts/dependencies package installs it.
include(GNUInstallDirs)
install(TARGETS penstock RUNTIME DESTINATION /usr/bin)
# The manual page and the shells' completions are printed by the binary itself.
foreach(page "man:penstock.1" "completion bash:penstock" "completion zsh:_penstock"
    "completion fish:penstock.fish")
  string(REPLACE ":" ";" page ${page})
  list(GET page 0 arguments)
  list(GET page 1 file)
  string(REPLACE " " "-" folder ${arguments})
  separate_arguments(arguments)
  set(made ${CMAKE_BINARY_DIR}/pages/${folder}/${file})
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/pages/${folder}
    COMMAND penstock ${arguments} > ${made} DEPENDS penstock VERBATIM)
  list(APPEND pages ${made})
endforeach()
add_custom_target(pages ALL DEPENDS ${pages})
install(FILES ${CMAKE_BINARY_DIR}/pages/man/penstock.1 DESTINATION /usr/share/man/man1)
install(FILES ${CMAKE_BINARY_DIR}/pages/completion-bash/penstock
  DESTINATION /usr/share/bash-completion/completions)
install(FILES ${CMAKE_BINARY_DIR}/pages/completion-zsh/_penstock
  DESTINATION /usr/share/zsh/vendor-completions)
install(FILES ${CMAKE_BINARY_DIR}/pages/completion-fish/penstock.fish
  DESTINATION /usr/share/fish/vendor_completions.d)
install(FILES deploy/systemd/penstock.service DESTINATION /lib/systemd/system)
install(FILES deploy/systemd/penstock.sysusers DESTINATION /usr/lib/sysusers.d RENAME penstock.conf)
install(FILES deploy/systemd/penstock.default DESTINATION /etc/default RENAME penstock)
install(FILES deploy/penstock.yaml DESTINATION /etc/penstock
  PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(FILES LICENSE DESTINATION /usr/share/doc/penstock RENAME copyright)
# With the folder, so that the links between the documents hold.
install(FILES README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md
  DESTINATION /usr/share/doc/penstock)
install(DIRECTORY doc examples DESTINATION /usr/share/doc/penstock)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME penstock)
set(CPACK_PACKAGE_CONTACT "the penstock developers <penstock@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
  "log forwarder from Forward, HTTP, OTLP and syslog to AWS Kinesis Data Streams")
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, procps")  # the unit reloads with /bin/kill
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
  ${CMAKE_SOURCE_DIR}/deploy/debian/postrm ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles)
include(CPack)
# Not CPack's own target `package`, which builds every test and benchmark first.
add_custom_target(deb
  COMMAND ${CMAKE_CPACK_COMMAND} --config ${CMAKE_BINARY_DIR}/CPackConfig.cmake
    -B ${CMAKE_BINARY_DIR}
  DEPENDS pages VERBATIM)
