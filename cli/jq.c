/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --jq: an answer through a jq program. Texts come out as they are, everything else as JSON, one
 * result a line.
 */
#include <stdio.h>
#include <string.h>

/* the library's headers want to come in this order */
#include <jv.h>

#include <jq.h>

#include "base/shape.h"
#include "cli/cli.h"

/* What jq says, without its own prefix. */
static void say(void *data, jv message)
{
	(void)data;
	if (jv_get_kind(message) == JV_KIND_STRING)
		ud_cli_fail(CLI_USAGE, "--jq: %s", jv_string_value(message));
	jv_free(message);
}

static void print(jv value)
{
	jv text = jv_get_kind(value) == JV_KIND_STRING ? value : jv_dump_string(value, 0);

	fwrite(jv_string_value(text), 1, (size_t)jv_string_length_bytes(jv_copy(text)), stdout);
	putchar('\n');
	jv_free(text);
}

/* What the program ended with: nothing, or its error. */
static int ended(jv last)
{
	if (!jv_invalid_has_msg(jv_copy(last))) {
		jv_free(last);
		return CLI_DONE;
	}
	say(NULL, jv_invalid_get_msg(last));
	return CLI_UNEXPECTED;
}

int ud_cli_jq(struct cli *c, json_t *json)
{
	jq_state *jq = jq_init();
	int code = CLI_DONE;

	if (!jq)
		return ud_cli_fail(CLI_UNEXPECTED, "--jq: there is no memory");
	jq_set_error_cb(jq, say, NULL);
	if (!jq_compile(jq, c->jq)) {
		code = CLI_USAGE;
	} else {
		jv value;

		jq_start(jq,
			jv_parse(ud_json_text(c->cx.arena, json, JSON_COMPACT | JSON_ENCODE_ANY)),
			0);
		for (value = jq_next(jq); jv_is_valid(value); value = jq_next(jq))
			print(value);
		code = ended(value);
	}
	jq_teardown(&jq);
	return code;
}
