/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a password to a token: sign in, prove it again where asked, make a personal token, sign out.
 * libcurl keeps the cookie for these calls and forgets it with the handle.
 */
#include <curl/curl.h>
#include <string.h>

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
