/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See agents.h.
 */
#include "support/agents.h"

#include <curl/curl.h>
#include <string.h>

#include "api/api.h"
#include "base/wire_identity.h"

static enum ud_code make_authority(struct ud_ctx *cx, void *data)
{
	const struct world *w = data;

	return ud_ca_ensure(cx, w->server->keys.seal);
}

static void must(const struct world *w, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name,
			w->cx.problem.detail ? w->cx.problem.detail : "");
}

struct port *port_begin(struct world *w, const struct ud_routes *const *routes)
{
	static const struct ud_server_settings settings = { .listen = "127.0.0.1:0",
		.workers = 2,
		.connections = 2000,
		.burst = 1,
		.require_mfa = "none",
		.lease_seconds = 30,
		.trusted_proxies = "" };
	struct port *p = ud_alloc(w->arena, sizeof(*p));

	p->w = w;
	world_write(w, make_authority, w);
	must(w,
		ud_agents_start(&w->cx, w->db, &settings, &w->server->keys, routes, &ud_api_work,
			&w->env, &p->agents));
	p->url = ud_agents_url(p->agents);
	p->pin = ud_agents_pin(p->agents);
	/* nobody calls the API yet */
	w->server->settings.agents_url = p->url;
	w->server->settings.ca_sha256 = p->pin;
	/* a world may have several ports */
	const char *code = strrchr(p->url, ':') + 1;
	struct reply r = expect(w, LEAD, "POST", "/v1/sites",
		fmt(w, "{\"name\":\"%s\",\"code\":\"s%s\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}",
			code, code),
		201);

	p->site = text_at(r.json, "id");
	return p;
}

void port_end(struct port *p)
{
	ud_agents_release(&p->agents);
}

const char *port_host(struct port *p)
{
	struct reply r = expect(p->w, LEAD, "POST", "/v1/hosts",
		fmt(p->w, "{\"name\":\"host-%d\",\"hypervisor\":\"kvm\",\"site_id\":\"%s\"}",
			p->hosts++, p->site),
		201);

	return text_at(r.json, "id");
}

const char *port_token(struct port *p, const char *host_id)
{
	struct reply r = expect(
		p->w, OPERATOR, "POST", fmt(p->w, "/v1/hosts/%s/enroll", host_id), "{}", 201);

	return text_at(r.json, "token");
}

struct shown port_enroll(struct port *p, const char *host_id)
{
	struct world *w = p->w;
	struct shown s = { .host_id = host_id, .key = ud_x509_key(&w->cx) };
	struct ud_wire_enroll in = { .token = port_token(p, host_id), .agent_version = "test" };
	struct ud_buf b = { 0 };

	must(w, ud_x509_request(&w->cx, s.key, "whoever", &in.request));
	ud_shape_encode(&b, &ud_wire_enroll_shape, &in, NULL);
	struct reply r = port_call(p, NULL, "POST", "/v1/agent/enroll", ud_buf_text(&b));

	ud_buf_free(&b);
	if (r.status != 201)
		fail_msg("enrolment: %d %s", r.status, r.body);
	s.id = text_at(r.json, "agent_id");
	assert_string_equal(text_at(r.json, "host_id"), host_id);
	s.certificate = fmt(w, "%s%s", text_at(r.json, "certificate"), text_at(r.json, "chain"));
	return s;
}

const char *port_issue(struct port *p, struct ud_x509_wish wish, const char *key)
{
	struct ud_ctx *cx = &p->w->cx;
	const struct ud_ca *ca = ud_agents_ca(p->agents);
	const char *cert = NULL;

	if (!wish.issuer) {
		wish.issuer = ca->agents;
		wish.issuer_key = ca->agents_key;
	}
	if (!wish.not_after_ms) {
		wish.not_before_ms = ud_now_ms(&p->w->env) - 60000;
		wish.not_after_ms = wish.not_before_ms + 86400000;
	}
	must(p->w, ud_x509_public(cx, key, &wish.public_key));
	must(p->w, ud_x509_issue(cx, &wish, &cert));
	return cert;
}

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

static void show(CURL *c, CURLoption option, const char *pem)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY
	};

	curl_easy_setopt(c, option, &blob);
}

static void set_client(CURL *c, const struct shown *s)
{
	if (!s)
		return;
	if (s->certificate) {
		show(c, CURLOPT_SSLCERT_BLOB, s->certificate);
		show(c, CURLOPT_SSLKEY_BLOB, s->key);
	}
	if (s->interface)
		curl_easy_setopt(c, CURLOPT_INTERFACE, s->interface);
}

struct reply port_call(struct port *p, const struct shown *s, const char *method, const char *path,
	const char *body)
{
	struct world *w = p->w;
	struct ud_buf out = { 0 };
	struct reply r = { 0 };
	CURL *c = curl_easy_init();
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	long status = 0;

	if (s && s->run)
		list = curl_slist_append(list, fmt(w, "%s: %s", UD_RUN_HEADER, s->run));
	curl_easy_setopt(c, CURLOPT_URL, fmt(w, "%s%s", p->url, path));
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 40L);
	show(c, CURLOPT_CAINFO_BLOB, ud_agents_ca(p->agents)->root);
	set_client(c, s);
	if (body)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &out);
	CURLcode rc = curl_easy_perform(c);

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	r.status = rc == CURLE_OK ? (int)status : 0;
	r.size = out.len;
	r.body = rc == CURLE_OK ? ud_strndup(w->arena, out.data ? out.data : "", out.len)
				: ud_strdup(w->arena, curl_easy_strerror(rc));
	r.json = json_loads(r.body, JSON_DECODE_ANY, NULL);
	if (r.json)
		json_array_append_new(w->replies, r.json);
	ud_buf_free(&out);
	return r;
}
