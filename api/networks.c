/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks: a VLAN belongs to production or to a test, and a test network is isolated. A map says
 * what a network is at another site, for real and in tests.
 */
#include "db/networks.h"

#include <string.h>

#include "api/api.h"
#include "api/networks.h"
#include "db/events.h"
#include "db/references.h"

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_network *n = row;

	(void)old_row;
	if (n->purpose == UD_NETWORK_TEST && !n->isolated)
		return ud_fail_field(cx, "isolated", "must_be_true", "A test network is isolated.");
	return UD_OK;
}

static const struct ud_resource networks = { .table = &ud_networks, .check = check };

/* ---- maps ---- */

struct map_body {
	struct ud_json entries;
};
/* clang-format off */
static const struct ud_field body_fields[] = {
	UD_FIELD(map_body, entries, .max = 32768, .about = "One per site: target_site_id, real_network_id, test_network_id."),
};
/* clang-format on */
static const struct ud_shape body_shape = { UD_SHAPE(map_body, body_fields), .bare = true };

struct map {
	const char *network_id;
	struct ud_json entries;
};
/* clang-format off */
static const struct ud_field map_fields[] = {
	UD_FIELD(map, network_id, .about = "Network that is mapped."),
	UD_FIELD(map, entries,    .about = "One per site: target_site_id, real_network_id, test_network_id."),
};
/* clang-format on */
static const struct ud_shape map_shape = { .object = "failover_map",
	UD_SHAPE(map, map_fields),
	.bare = true,
	.about = "What a network is at other sites, for real failovers and for tests." };

static enum ud_code answer_map(struct ud_ctx *cx, struct ud_request *rq, const struct ud_network *n)
{
	struct ud_network_map_entry entries[UD_NETWORK_MAP_MAX];
	struct ud_buf b = { 0 };
	size_t count = 0;

	UD_TRY(ud_network_map_get(cx, n->row.id, entries, &count));
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_network_map_entry_shape, &entries[i], NULL);
	}
	ud_buf_putc(&b, ']');
	const struct map out = { n->row.id, { ud_strndup(cx->arena, b.data, b.len) } };

	ud_buf_free(&b);
	ud_answer_header(rq, "ETag", ud_printf(cx->arena, "\"v%lld\"", (long long)n->row.version));
	return ud_answer(cx, rq, &map_shape, &out);
}

static enum ud_code show_map(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_network n = { 0 };

	UD_TRY(ud_row_get(cx, &ud_networks, rq->arg[0], &n));
	return answer_map(cx, rq, &n);
}

/* A network named in an entry: it stands in the entry's site, and a test's is for tests. */
static enum ud_code check_network(struct ud_ctx *cx, const char *customer_id, const char *field,
	const char *id, const char *site_id, bool test)
{
	struct ud_network to = { 0 };
	bool fine = true;

	if (!id)
		return UD_OK;
	UD_TRY(ud_reference_check(cx, field, "net", id, customer_id, &fine));
	if (!fine)
		return UD_E_VALIDATION;
	UD_TRY(ud_row_get(cx, &ud_networks, id, &to));
	if (strcmp(to.site_id, site_id) != 0)
		return ud_fail_field(
			cx, field, "other_site", "The network stands in another site.");
	if (test != (to.purpose == UD_NETWORK_TEST))
		return ud_fail_field(cx, field, "wrong_purpose",
			test ? "A test goes to a network of purpose test, which is isolated."
			     : "A network of purpose test is for tests alone.");
	return UD_OK;
}

enum ud_code ud_network_map_check(
	struct ud_ctx *cx, const char *customer_id, const struct ud_network_map_entry *e)
{
	bool fine = true;

	UD_TRY(ud_reference_check(
		cx, "target_site_id", "sit", e->target_site_id, customer_id, &fine));
	if (!fine)
		return UD_E_VALIDATION;
	if (!e->real_network_id && !e->test_network_id)
		return ud_fail_field(cx, "real_network_id", "required",
			"An entry names a real network, a test network or both.");
	UD_TRY(check_network(
		cx, customer_id, "real_network_id", e->real_network_id, e->target_site_id, false));
	return check_network(
		cx, customer_id, "test_network_id", e->test_network_id, e->target_site_id, true);
}

static enum ud_code check_entry(struct ud_ctx *cx, const struct ud_network *from,
	const struct ud_network_map_entry *entries, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(entries[k].target_site_id, entries[i].target_site_id) == 0)
			return ud_fail_field(
				cx, "target_site_id", "duplicate", "A site has one entry.");
	return ud_network_map_check(cx, from->row.customer_id, &entries[i]);
}

static enum ud_code put_map(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct map_body *in = rq->in;
	struct ud_network old = { 0 }, n;
	struct ud_network_map_entry *entries = NULL;
	size_t count = 0;

	UD_TRY(ud_row_get(cx, &ud_networks, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	UD_TRY(ud_shape_read_list(cx, &ud_network_map_entry_shape, in->entries.text,
		UD_NETWORK_MAP_MAX, &entries, &count));
	for (size_t i = 0; i < count; i++)
		UD_TRY(check_entry(cx, &old, entries, i));
	n = old;
	/* the map has no version of its own: it is part of its network */
	UD_TRY(ud_row_update(cx, &ud_networks, &old, &n));
	UD_TRY(ud_network_map_set(cx, n.row.id, entries, count));
	UD_TRY(ud_event_add(cx, "mapped", ud_networks.shape, NULL, &n));
	return answer_map(cx, rq, &n);
}

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/networks", "networks", "a network", "networks", UD_PEOPLE, UD_STAFF_WRITE,
		&networks),
	{ "GET", "/v1/networks/{id}/failover-map", "networks.failover-map",     UD_PEOPLE,      "networks:read",  0, .answer = &map_shape, .handle = show_map, .about = "Tell what a network is at other sites, for real failovers and for tests." },
	{ "PUT", "/v1/networks/{id}/failover-map", "networks.set-failover-map", UD_STAFF_WRITE, "networks:write", UD_WRITE | UD_MATCH_REQUIRED, &body_shape, &map_shape, .handle = put_map, .about = "Say what a network is at other sites; replaces all that was said." },
};
/* clang-format on */
const struct ud_routes ud_api_networks = { "Networks", rows, UD_LEN(rows) };
