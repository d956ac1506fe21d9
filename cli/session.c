/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a password to a token: sign in, prove it again where asked, make a personal token, sign out.
 * libcurl keeps the cookie for these calls and forgets it with the handle. Or without a password
 * here: somebody approves a code in the portal (RFC 8628).
 */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/shape.h"
#include "cli/cli.h"

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

/* One call with the cookies of the handle. */
static struct cli_reply post(struct cli *c, CURL *h, const char *method, const char *path,
	json_t *body, const char *csrf)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	const char *text = body ? ud_json_text(c->cx.arena, body, JSON_COMPACT) : "";
	struct cli_reply r = { 0 };
	long status = 0;

	if (csrf)
		list = curl_slist_append(list, ud_printf(c->cx.arena, "X-CSRF-Token: %s", csrf));
	curl_easy_setopt(h, CURLOPT_URL, ud_printf(c->cx.arena, "%s%s", c->url, path));
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &r.body);
	CURLcode rc = curl_easy_perform(h);

	if (rc == CURLE_OK)
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	else
		ud_cli_fail(CLI_UNREACHABLE, "%s: %s", c->url, curl_easy_strerror(rc));
	r.status = (int)status;
	r.json = json_loads(ud_buf_text(&r.body), 0, NULL);
	curl_slist_free_all(list);
	return r;
}

/* Step up with the same words, then make the token. */
static int make_token(struct cli *c, CURL *h, json_t *login, const char *csrf, const char **ret)
{
	json_t *proof = json_object();
	json_t *wanted =
		json_pack("{s:s, s:[s]}", "name", "understudy command line", "scopes", "*");

	json_object_set(proof, "password", json_object_get(login, "password"));
	struct cli_reply r = post(c, h, "POST", "/v1/me/tokens", wanted, csrf);

	if (r.status == 401) { /* no factor was shown at sign-in: the password proves it again */
		ud_cli_reply_free(&r);
		r = post(c, h, "POST", "/v1/me/step-up", proof, csrf);
		if (r.status == 200) {
			ud_cli_reply_free(&r);
			r = post(c, h, "POST", "/v1/me/tokens", wanted, csrf);
		}
	}
	int code = ud_cli_reply_code(c, &r);

	if (code == CLI_DONE)
		*ret = ud_strdup(c->cx.arena, json_string_value(json_object_get(r.json, "token")));
	ud_cli_reply_free(&r);
	json_decref(proof);
	json_decref(wanted);
	return code;
}

int ud_cli_session_token(struct cli *c, json_t *login, const char **ret)
{
	CURL *h = curl_easy_init();

	curl_easy_setopt(h, CURLOPT_COOKIEFILE, "");
	struct cli_reply r = post(c, h, "POST", "/v1/sessions", login, NULL);
	json_t *first = json_array_get(json_object_get(r.json, "errors"), 0);
	const char *why = json_string_value(json_object_get(first, "code"));

	c->code_wanted = why && strcmp(why, "totp_required") == 0;
	int code = c->code_wanted ? CLI_NOT_ALLOWED : ud_cli_reply_code(c, &r);

	if (code == CLI_DONE) {
		const char *csrf = ud_strdup(
			c->cx.arena, json_string_value(json_object_get(r.json, "csrf_token")));

		code = make_token(c, h, login, csrf, ret);
		struct cli_reply out = post(c, h, "DELETE", "/v1/sessions/current", NULL, csrf);

		ud_cli_reply_free(&out);
	}
	ud_cli_reply_free(&r);
	curl_easy_cleanup(h);
	return code;
}

/* ---- by a code ---- */

enum { SLOWER_SECONDS = 5 };

/* One try: CLI_DONE with *ret, or with NULL when it is too early. */
static int try_token(struct cli *c, const char *secret, int64_t *interval, const char **ret)
{
	json_t *body = json_pack("{s:s, s:s}", "grant_type",
		"urn:ietf:params:oauth:grant-type:device_code", "device_code", secret);
	const char *text = ud_json_text(c->cx.arena, body, JSON_COMPACT);
	struct cli_reply r = { 0 };

	json_decref(body);
	ud_cli_call(c, "POST", "/v1/oauth/token", text, NULL, &r);
	const char *why = ud_cli_text(r.json, "code"), *token = ud_cli_text(r.json, "access_token");
	bool slower = strcmp(why, "slow_down") == 0;
	bool early = slower || strcmp(why, "authorization_pending") == 0;
	int code = early ? CLI_DONE : ud_cli_reply_code(c, &r);

	*interval += slower ? SLOWER_SECONDS : 0;
	*ret = early || code ? NULL : ud_strdup(c->cx.arena, token);
	ud_cli_reply_free(&r);
	return code;
}

/* What the token will be called. */
static const char *client_name(struct cli *c)
{
	char host[64] = "";

	if (gethostname(host, sizeof(host) - 1) != 0 || !*host)
		return "understudy";
	return ud_printf(c->cx.arena, "understudy on %s", host);
}

int ud_cli_device_token(struct cli *c, const char **ret)
{
	json_t *body = json_pack("{s:s}", "client_name", client_name(c));
	const char *text = ud_json_text(c->cx.arena, body, JSON_COMPACT), *secret;
	struct cli_reply r = { 0 };

	json_decref(body);
	*ret = NULL;
	c->token = NULL;
	if (ud_cli_call(c, "POST", "/v1/oauth/device", text, NULL, &r))
		return CLI_DONE;
	int code = ud_cli_reply_code(c, &r);
	int64_t interval = ud_cli_int(r.json, "interval", SLOWER_SECONDS);
	int64_t end = ud_mono_ms(c->cx.env) + ud_cli_int(r.json, "expires_in", 600) * 1000;

	secret = ud_strdup(c->cx.arena, ud_cli_text(r.json, "device_code"));
	if (code == CLI_DONE)
		fprintf(stderr, "Open %s where you are signed in, and enter the code %s.\n",
			ud_cli_text(r.json, "verification_uri"), ud_cli_text(r.json, "user_code"));
	ud_cli_reply_free(&r);
	while (code == CLI_DONE && !*ret) {
		if (ud_mono_ms(c->cx.env) >= end)
			return ud_cli_fail(CLI_TIMEOUT, "nobody has approved the code");
		poll(NULL, 0, (int)(interval * 1000));
		code = try_token(c, secret, &interval, ret);
	}
	return code;
}
