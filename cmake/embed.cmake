# SPDX-License-Identifier: Apache-2.0
# ud_embed(target symbol files…): the files' bytes as a table `const struct ud_embedded symbol[]` (base/embed.h), sorted by
# name and ended by a NULL name. Made at build time by this script run with -P; no other tool is needed.
if(CMAKE_SCRIPT_MODE_FILE)
	set(out "/* Made by cmake/embed.cmake */\n#include \"base/embed.h\"\n")
	set(table "")
	set(n 0)
	foreach(file IN LISTS FILES)
		get_filename_component(name ${file} NAME)
		file(READ ${file} hex HEX)
		string(LENGTH "${hex}" size)
		math(EXPR size "${size} / 2")
		string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
		string(APPEND out "static const unsigned char file_${n}[] = {${hex}0};\n")
		string(APPEND table "\t{ \"${name}\", (const char *)file_${n}, ${size} },\n")
		math(EXPR n "${n} + 1")
	endforeach()
	string(APPEND out "const struct ud_embedded ${SYMBOL}[] = {\n${table}\t{ 0 },\n};\n")
	file(WRITE ${OUTPUT} "${out}")
	return()
endif()

set(UD_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(ud_embed target symbol)
	set(output ${CMAKE_BINARY_DIR}/embedded/${symbol}.c)
	set(files ${ARGN})
	list(SORT files)
	add_custom_command(OUTPUT ${output}
		COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DSYMBOL=${symbol} "-DFILES=${files}" -P ${UD_EMBED_SCRIPT}
		DEPENDS ${files} ${UD_EMBED_SCRIPT} VERBATIM)
	target_sources(${target} PRIVATE ${output})
endfunction()
