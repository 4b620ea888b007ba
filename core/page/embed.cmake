# SPDX-License-Identifier: Apache-2.0
# cmake -D IN=page/index.html -D OUT=page.c -P embed.cmake: a file as an array of C.
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
file(WRITE "${OUT}"
  "/* Made from page/index.html. */\n#include \"page.h\"\n\nconst char page_html[] = {\n${bytes}\n0};\n")
