# SPDX-License-Identifier: Apache-2.0
# The pages against the tree: links, headings, names of files and functions, decisions.
add_test(NAME docs COMMAND /usr/bin/python3 "${PROJECT_SOURCE_DIR}/tests/docs.py")
