# embed_text(<file> <header> <name>): a header with the file's text as `constexpr char name[]`, made
# anew at configure time when the file has changed.
function(embed_text file header name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(CONCAT content
    "#pragma once\n\nnamespace penstock::cli {\n\n"
    "inline constexpr char ${name}[] = R\"text(${text})text\";\n\n}\n")
  file(CONFIGURE OUTPUT ${header} CONTENT "${content}" @ONLY)
endfunction()
