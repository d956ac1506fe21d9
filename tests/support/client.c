/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, one handle per thread.
 */
#include "support/client.h"

#include <curl/curl.h>
#include <stdio.h>

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

int client_call(struct client *c, const char *method, const char *path, const char *body,
	const char *header)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	char url[512], bearer[256];
	long status = 0;

	if (!c->curl)
		c->curl = curl_easy_init();
	snprintf(url, sizeof(url), "%s%s", c->base, path);
	snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", c->token ? c->token : "");
	if (c->token)
		list = curl_slist_append(list, bearer);
	if (header)
		list = curl_slist_append(list, header);
	c->body.len = 0;
	curl_easy_reset(c->curl);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 30L);
	if (body)
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->body);
	if (curl_easy_perform(c->curl) == CURLE_OK)
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	return (int)status;
}

json_t *client_json(struct client *c)
{
	return json_loads(ud_buf_text(&c->body), 0, NULL);
}

void client_end(struct client *c)
{
	curl_easy_cleanup(c->curl);
	ud_buf_free(&c->body);
	c->curl = NULL;
}
