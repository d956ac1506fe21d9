/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: what is taken, and a sentence with file, line and key for each mistake.
 */
#include "base/options.h"

#include <string.h>

#include "base/file.h"
#include "support/context.h"

static void without_keys_the_defaults_hold(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;

	assert_int_equal(ud_options_load(cx, context_file(cx, "a.conf", ""), &o), UD_OK);
	assert_string_equal(o.text[UD_O_SERVER_LISTEN], "127.0.0.1:8080");
	assert_string_equal(o.text[UD_O_AUTH_REQUIRE_MFA], "staff");
	assert_int_equal(o.number[UD_O_LIMITS_CONNECTIONS], 8000);
	assert_int_equal(o.number[UD_O_LIMITS_PER_ADDRESS], 20);
	assert_int_equal(o.number[UD_O_LIMITS_REQUESTS_PER_MINUTE], 6000);
	assert_string_equal(o.text[UD_O_DATABASE_URL], "");
}

static void every_form_of_a_value_is_taken(void **state)
{
	static const char *const fine[] = {
		"[server]\nlisten=127.0.0.1:0\n",
		"[server]\nlisten = [::1]:8080\n",
		"[server]\nlisten=:8443\n",
		"[server]\nlisten=localhost:65535\n",
		"[server]\nlisten=unix:/run/understudy/http\n",
		"[server]\r\nlisten=:8443\r\n",
		"\xef\xbb\xbf[server]\nlisten=:8443\n",
		"; words\n# words\n\n \t\n[server] ; words\nlisten=:1 ; words\n",
		"[server]\n\tlisten=:1\n  workers=2\n",
		"[server]\npublic_url=https://dr.example.net\n",
		"[server]\npublic_url=http://127.0.0.1:8080\n",
		"[server]\npublic_url=\n",
		"[server]\ntrusted_proxies=192.0.2.7, 2001:db8::7,unix\n",
		"[server]\ntls_cert=/etc/c.pem\ntls_key=/etc/k.pem\n",
		"[database]\nurl=sqlite:/var/lib/understudy/understudy.db\n",
		"[database]\nurl=postgresql://db.example.net/understudy?sslmode=verify-full\n",
		"[auth]\nrequire_mfa=all\nsession_hours=24\n",
		"[limits]\nper_address=0\n",
		"[log]\nlevel=debug",
	};
	struct ud_ctx *cx = *state;
	struct ud_options o;

	for (size_t i = 0; i < UD_LEN(fine); i++)
		if (ud_options_load(cx, context_file(cx, "a.conf", fine[i]), &o) != UD_OK)
			fail_msg("%s", cx->problem.detail);
}

static const struct {
	const char *text;
	int line; /* 0: the mistake is of no single line */
	const char *sentence;
} mistakes[] = {
	/* keys that are not there */
	{ "[server]\nlisen=:1\n", 2,
		"[server] lisen: there is no such key; did you mean [server] listen?" },
	{ "[server]\nLISTEN=:1\n", 2, "there is no such key" },
	{ "[server]\nport=1\n", 2, "there is no such key" },
	{ "[server]\nworker=1\n", 2, "did you mean [server] workers?" },
	{ "[servr]\nlisten=:1\n", 2, "did you mean [server] listen?" },
	{ "[limits]\nlisten=:1\n", 2, "did you mean [server] listen?" },
	{ "[limits]\nper_adress=1\n", 2, "did you mean [limits] per_address?" },
	{ "[limit]\nburst=1\n", 2, "did you mean [limits] burst?" },
	{ "[auth]\nrequire-mfa=all\n", 2, "did you mean [auth] require_mfa?" },
	{ "[log]\nlvl=info\n", 2, "did you mean [log] level?" },
	{ "listen=:1\n", 1, "[] listen: there is no such key; did you mean [server] listen?" },
	{ "[metrics]\na_key_that_resembles_nothing_at_all=1\n", 2, "there is no such key\n" },
	{ "\n\n[server]\n\nlisten=:1\nbogus=1\n", 6, "[server] bogus" },
	{ "[server]\n=x\n", 2, "there is no such key" },
	/* lines that are none */
	{ "[server]\nlisten\n", 2, "this is neither [section] nor key=value" },
	{ "[server\nlisten=:1\n", 1, "this is neither [section] nor key=value" },
	{ "server:\n", 1, "this is neither [section] nor key=value" },
	{ "<server listen=\":1\">\n", 1, "there is no such key" },
	{ "{\"server\":1}\n", 1, "this is neither [section] nor key=value" },
	/* addresses */
	{ "[server]\nlisten=\n", 2, " is not ADDRESS:PORT or unix:/PATH" },
	{ "[server]\nlisten=8080\n", 2, "8080 is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1\n", 2, "127.0.0.1 is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1:\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1:http\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1:65536\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1:-1\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1:+80\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=127.0.0.1: 80\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=::1:8080\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=[::1:8080\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=[]:8080\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=http://127.0.0.1:8080\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=unix:run/socket\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\nlisten=unix:/\n", 2, "is not ADDRESS:PORT" },
	{ "[server]\ntrusted_proxies=proxy.example.net\n", 2, "proxy.example.net is no address" },
	{ "[server]\ntrusted_proxies=192.0.2.0/24\n", 2, "192.0.2.0/24 is no address" },
	{ "[server]\ntrusted_proxies=192.0.2.1 192.0.2.2\n", 2, "is no address" },
	{ "[server]\ntrusted_proxies=192.0.2.1,,192.0.2.2\n", 2, "\"\" is no address" },
	{ "[metrics]\nallow=*\n", 2, "* is no address" },
	{ "[metrics]\nallow=127.0.0.1, 300.1.1.1\n", 2, "300.1.1.1 is no address" },
	/* URLs */
	{ "[server]\npublic_url=dr.example.net\n", 2, "is not a http:// or https:// address" },
	{ "[server]\npublic_url=ftp://dr.example.net\n", 2,
		"is not a http:// or https:// address" },
	{ "[server]\npublic_url=https://\n", 2, "is not a http:// or https:// address" },
	{ "[server]\npublic_url=https://dr.example.net/\n", 2, "it must not end with /" },
	{ "[server]\npublic_url=https://dr example\n", 2, "is not a http:// or https:// address" },
	{ "[database]\nurl=/var/lib/understudy.db\n", 2, "is not sqlite:PATH or postgresql://" },
	{ "[database]\nurl=mysql://db\n", 2, "is not sqlite:PATH or postgresql://" },
	{ "[database]\nurl=sqlite:\n", 2, "is not sqlite:PATH or postgresql://" },
	/* numbers */
	{ "[limits]\nconnections=\n", 2, "is not a number between 16 and 100000" },
	{ "[limits]\nconnections=many\n", 2, "many is not a number between 16 and 100000" },
	{ "[limits]\nconnections=15\n", 2, "15 is not a number" },
	{ "[limits]\nconnections=100001\n", 2, "100001 is not a number" },
	{ "[limits]\nconnections=8000.5\n", 2, "is not a number" },
	{ "[limits]\nconnections=8k\n", 2, "is not a number" },
	{ "[limits]\nconnections=0x100\n", 2, "is not a number" },
	{ "[limits]\nconnections=99999999999999999999\n", 2, "is not a number" },
	{ "[limits]\nburst=0\n", 2, "0 is not a number between 1 and 1000000" },
	{ "[limits]\nper_address=-1\n", 2, "-1 is not a number" },
	{ "[auth]\nsession_hours=25\n", 2, "25 is not a number between 1 and 24" },
	{ "[auth]\nidle_minutes=30m\n", 2, "30m is not a number" },
	{ "[server]\nworkers=9\n", 2, "9 is not a number between 0 and 8" },
	{ "[retention]\nidempotency_days=0\n", 2, "0 is not a number between 1 and 90" },
	/* choices */
	{ "[auth]\nrequire_mfa=yes\n", 2, "yes is none of: none staff all" },
	{ "[auth]\nrequire_mfa=\n", 2, " is none of: none staff all" },
	{ "[auth]\nrequire_mfa=Staff\n", 2, "Staff is none of" },
	{ "[auth]\nrequire_mfa=staff all\n", 2, "none of" },
	{ "[auth]\nrequire_mfa=sta\n", 2, "sta is none of" },
	{ "[log]\nlevel=verbose\n", 2, "verbose is none of: error warning info debug" },
	/* keys that belong together */
	{ "[server]\ntls_cert=/etc/c.pem\n", 0,
		"[server] tls_key: tls_cert and tls_key are set together" },
	{ "[server]\ntls_key=/etc/k.pem\n", 0,
		"[server] tls_cert: tls_cert and tls_key are set together" },
};

static void each_mistake_is_named_with_file_line_and_key(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;

	assert_true(UD_LEN(mistakes) >= 40);
	for (size_t i = 0; i < UD_LEN(mistakes); i++) {
		const char *path = context_file(cx, "a.conf", mistakes[i].text);
		const char *place = mistakes[i].line
			? ud_printf(cx->arena, "%s:%d: [", path, mistakes[i].line)
			: ud_printf(cx->arena, "%s: [", path);
		enum ud_code code = ud_options_load(cx, path, &o);
		const char *said =
			ud_printf(cx->arena, "%s\n", cx->problem.detail ? cx->problem.detail : "");

		if (code != UD_E_VALIDATION || strncmp(said, place, strlen(place)) != 0 ||
			!strstr(said, mistakes[i].sentence))
			fail_msg("%s: %s", mistakes[i].text, said);
		ud_ctx_clear(cx);
	}
}

static void all_mistakes_are_reported_in_order(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;
	const char *path = context_file(cx, "a.conf",
		"[server]\nlisten=1\nnonsense\nworkers=9\nmore nonsense\n[log]\nlevel=loud\n");
	static const char *const places[] = { ":2: ", ":3: ", ":4: ", ":5: ", ":7: " };

	assert_int_equal(ud_options_load(cx, path, &o), UD_E_VALIDATION);
	const char *at = cx->problem.detail;

	for (size_t i = 0; i < UD_LEN(places); i++) {
		at = strstr(at, places[i]);
		assert_non_null(at);
	}
	assert_null(strchr(at, '\n'));
}

static void a_line_has_a_greatest_length(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;
	char line[300];

	memset(line, 'x', sizeof(line));
	memcpy(line, "tls_cert=", 9);
	line[197] = 0;
	const char *pair = "[server]\ntls_key=/k\n%s\n[log]\nlevel=error\n";

	assert_int_equal(ud_options_load(cx,
				 context_file(cx, "a.conf", ud_printf(cx->arena, pair, line)), &o),
		UD_OK);
	assert_int_equal(strlen(o.text[UD_O_SERVER_TLS_CERT]), 188);
	assert_string_equal(o.text[UD_O_LOG_LEVEL], "error");
	line[197] = 'x';
	line[198] = 0;
	assert_int_equal(ud_options_load(cx,
				 context_file(cx, "a.conf", ud_printf(cx->arena, pair, line)), &o),
		UD_E_VALIDATION);
	assert_non_null(strstr(cx->problem.detail, "a.conf:3: [-] -: the line is longer than"));
}

static void a_later_file_wins(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;
	const char *path = context_file(cx, "a.conf", "[limits]\nburst=1\nconnections=100\n");

	cx->env->files->make_folder(context_path(cx, "conf.d"), 0700);
	context_file(cx, "conf.d/20.conf", "[limits]\nburst=3\n");
	context_file(cx, "conf.d/10.conf", "[limits]\nburst=2\n[log]\nlevel=error\n");
	context_file(cx, "conf.d/30.conf~", "[limits]\nburst=4\n");
	context_file(cx, "conf.d/.hidden.conf", "[limits]\nburst=5\n");
	assert_int_equal(ud_options_load(cx, path, &o), UD_OK);
	assert_int_equal(o.number[UD_O_LIMITS_BURST], 3);
	assert_int_equal(o.number[UD_O_LIMITS_CONNECTIONS], 100);
	assert_string_equal(o.text[UD_O_LOG_LEVEL], "error");

	context_file(cx, "conf.d/20.conf", "[limits]\nburst=none\n");
	assert_int_equal(ud_options_load(cx, path, &o), UD_E_VALIDATION);
	assert_non_null(strstr(cx->problem.detail, "conf.d/20.conf:2: [limits] burst"));
	cx->env->files->remove(context_path(cx, "conf.d/20.conf"));
	cx->env->files->remove(context_path(cx, "conf.d/10.conf"));
}

static void a_file_that_is_not_there_is_unavailable(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;

	assert_int_equal(ud_options_load(cx, context_path(cx, "none.conf"), &o), UD_E_UNAVAILABLE);
}

static void a_nul_hides_nothing(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_options o;
	const char *path = context_path(cx, "a.conf");

	assert_int_equal(ud_file_write(cx, path, "[log]\n\0level=loud\n", 18, 0600), UD_OK);
	assert_int_equal(ud_options_load(cx, path, &o), UD_E_VALIDATION);
	assert_non_null(strstr(cx->problem.detail, "it is no text"));
}

static void the_sample_file_says_the_defaults(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_buf b = { 0 };
	struct ud_options o, standard;

	ud_options_sample(&b);
	/* its sentences are longer than a line may be: they are comments */
	enum ud_code code = ud_options_load(cx, context_file(cx, "a.conf", ud_buf_text(&b)), &o);

	ud_options_init(&standard);
	for (int i = 0; i < UD_O_COUNT; i++) {
		const struct ud_option *row = ud_option((enum ud_option_name)i);

		assert_non_null(
			strstr(ud_buf_text(&b), ud_printf(cx->arena, "[%s]", row->section)));
		assert_non_null(strstr(ud_buf_text(&b),
			ud_printf(cx->arena, "\n%s%s=%s\n", *row->standard ? "" : ";", row->key,
				row->standard)));
		assert_true(strlen(row->about) > 10 && row->about[strlen(row->about) - 1] == '.');
		assert_string_equal(o.text[i], standard.text[i]);
	}
	ud_buf_free(&b);
	if (code != UD_OK)
		fail_msg("%s", cx->problem.detail);
}

static void no_option_has_a_twin(void **state)
{
	(void)state;
	for (int i = 0; i < UD_O_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_false(strcmp(ud_option((enum ud_option_name)i)->section,
					     ud_option((enum ud_option_name)j)->section) == 0 &&
				strcmp(ud_option((enum ud_option_name)i)->key,
					ud_option((enum ud_option_name)j)->key) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_keys_the_defaults_hold),
		cmocka_unit_test(every_form_of_a_value_is_taken),
		cmocka_unit_test(each_mistake_is_named_with_file_line_and_key),
		cmocka_unit_test(all_mistakes_are_reported_in_order),
		cmocka_unit_test(a_line_has_a_greatest_length),
		cmocka_unit_test(a_later_file_wins),
		cmocka_unit_test(a_file_that_is_not_there_is_unavailable),
		cmocka_unit_test(a_nul_hides_nothing),
		cmocka_unit_test(the_sample_file_says_the_defaults),
		cmocka_unit_test(no_option_has_a_twin),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
