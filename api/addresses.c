/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP blocks and addresses: the next free one is found and stored in one transaction under the
 * block's lock, so parallel requests get different ones. A released address rests before it is
 * given out again.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "base/rules.h"
#include "db/addresses.h"
#include "db/events.h"
#include "db/settings.h"
#include "server/events/stream.h"
#include "server/http/list.h"

static bool outside(const struct ud_prefix *p, const char *address)
{
	ud_ip ip;
	bool v4;

	return !ud_ip_parse(address, &ip, &v4) || ip < p->first || ip > p->last;
}

/* Addresses of the internet are one realm; inside, each customer and the provider have their own.
 */
static const char *realm_of(const struct ud_ip_block *b)
{
	if (b->kind == UD_BLOCK_PUBLIC)
		return "internet";
	return b->row.customer_id ? b->row.customer_id : "provider";
}

static void set_range(struct ud_ctx *cx, struct ud_ip_block *b, const struct ud_prefix *p)
{
	char *hex = ud_alloc(cx->arena, 2 * UD_IP_HEX), *text = ud_alloc(cx->arena, UD_IP_TEXT);

	ud_ip_hex(p->first, hex);
	ud_ip_hex(p->last, hex + UD_IP_HEX);
	ud_prefix_format(p, text);
	b->prefix = text;
	b->first_hex = b->next_hex = hex;
	b->last_hex = hex + UD_IP_HEX;
}

static enum ud_code no_overlap(struct ud_ctx *cx, const struct ud_ip_block *b)
{
	bool overlaps = false;

	UD_TRY(ud_blocks_overlap(
		cx, b->realm, b->parent_id, b->first_hex, b->last_hex, b->row.id, &overlaps));
	return overlaps
		? ud_fail(cx, UD_E_OVERLAPS, "prefix", "%s overlaps another block.", b->prefix)
		: UD_OK;
}

/* A part of a public block moves with its owner; a private one changes realm, which only a
 * part-less block may. */
static enum ud_code block_before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	const struct ud_ip_block *old = old_row;
	struct ud_ip_block *b = row;
	struct ud_prefix p;

	(void)given;
	if (!b) /* a part that goes is free room in the whole */
		return old->parent_id ? ud_block_lower_next(cx, old->parent_id, old->first_hex)
				      : UD_OK;
	if (!ud_prefix_parse(b->prefix, &p))
		return ud_fail_field(cx, "prefix", "format", "prefix is not a prefix.");
	if (b->gateway && outside(&p, b->gateway))
		return ud_fail_field(
			cx, "gateway", "outside", "gateway is an address of the block.");
	if (!old_row)
		set_range(cx, b, &p);
	if (b->parent_id && old_row)
		return UD_OK; /* parts keep the realm of the whole */
	b->realm = realm_of(b);
	return no_overlap(cx, b);
}

static const struct ud_resource blocks = { .table = &ud_ip_blocks, .before = block_before };

/* Customers take from what is theirs; staff for a customer, or for the provider. */
static enum ud_code load_block(struct ud_ctx *cx, struct ud_request *rq, struct ud_ip_block *ret)
{
	UD_TRY(ud_row_get(cx, &ud_ip_blocks, rq->arg[0], ret));
	UD_TRY(ud_block_lock(cx, ret->row.id));
	return ud_row_get(cx, &ud_ip_blocks, rq->arg[0],
		ret); /* as it is now that nobody else can change it */
}

/* Whose the new thing is: named by staff, else the block's. A block of a customer gives to that
 * customer only. */
static enum ud_code owner(
	struct ud_ctx *cx, const struct ud_ip_block *b, const char *named, const char **ret)
{
	*ret = named ? named : b->row.customer_id;
	if (named && b->row.customer_id && strcmp(named, b->row.customer_id) != 0)
		return ud_fail_field(cx, "customer_id", "other_customer",
			"The block belongs to another customer.");
	return UD_OK;
}

struct allocate_address {
	const char *customer_id, *note, *vm_id, *mac;
	unsigned purpose;
};
/* clang-format off */
static const struct ud_field allocate_address_fields[] = {
	UD_FIELD(allocate_address, customer_id, .refers = "cus", .about = "Whom it is for; the block's owner when not given."),
	UD_FIELD(allocate_address, note,        .max = 500, .about = "Words for people."),
	UD_FIELD(allocate_address, vm_id,       .refers = "vm", .about = "VM that uses it."),
	UD_FIELD(allocate_address, mac,         .max = 17, .rule = ud_rule_mac, .about = "Card of the VM that is to have it."),
	UD_FIELD(allocate_address, purpose,     .values = &ud_address_purposes, .about = "What it is for."),
};
/* clang-format on */
static const struct ud_shape allocate_address_shape = { .bare = true,
	UD_SHAPE(allocate_address, allocate_address_fields) };

struct allocate_block {
	int64_t prefix_length;
	const char *customer_id, *note;
};
/* clang-format off */
static const struct ud_field allocate_block_fields[] = {
	UD_FIELD(allocate_block, prefix_length, .flags = UD_REQUIRED, .min = 1, .max = 128, .about = "Length of the part's prefix."),
	UD_FIELD(allocate_block, customer_id,   .refers = "cus", .about = "Whom it is for; the block's owner when not given."),
	UD_FIELD(allocate_block, note,          .max = 500, .about = "Words for people."),
};
/* clang-format on */
static const struct ud_shape allocate_block_shape = { .bare = true,
	UD_SHAPE(allocate_block, allocate_block_fields) };

static const struct ud_resource addresses;

static void set_address(struct ud_ctx *cx, struct ud_ip_address *a, ud_ip ip)
{
	char *text = ud_alloc(cx->arena, UD_IP_TEXT), *hex = ud_alloc(cx->arena, UD_IP_HEX);

	ud_ip_format(ip, text);
	ud_ip_hex(ip, hex);
	a->address = text;
	a->address_hex = hex;
}

static enum ud_code allocate_address(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct allocate_address *in = rq->in;
	struct ud_ip_block b = { 0 };
	struct ud_ip_address a = {
		.note = in->note, .vm_id = in->vm_id, .mac = in->mac, .purpose = in->purpose
	};
	char next[UD_IP_HEX];
	ud_ip ip;

	UD_TRY(load_block(cx, rq, &b));
	UD_TRY(owner(cx, &b, in->customer_id, &a.row.customer_id));
	UD_TRY(ud_block_free_address(cx, &b, &ip));
	a.block_id = b.row.id;
	set_address(cx, &a, ip);
	UD_TRY(ud_row_insert(cx, &ud_ip_addresses, &a));
	UD_TRY(ud_event_add(cx, "allocated", ud_ip_addresses.shape, NULL, &a));
	ud_ip_hex(ip + 1, next);
	UD_TRY(ud_block_set_next(cx, b.row.id, next));
	return ud_answer(cx, rq, ud_ip_addresses.shape, &a);
}

static enum ud_code allocate_block(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct allocate_block *in = rq->in;
	struct ud_ip_block whole = { 0 }, part = { .note = in->note };
	struct ud_prefix p, free_part;

	UD_TRY(load_block(cx, rq, &whole));
	UD_TRY(owner(cx, &whole, in->customer_id, &part.row.customer_id));
	if (!ud_prefix_parse(whole.prefix, &p) || in->prefix_length <= p.length ||
		in->prefix_length > (p.v4 ? 32 : 128))
		return ud_fail_field(cx, "prefix_length", "out_of_range",
			"prefix_length is between %d and %d.", p.length + 1, p.v4 ? 32 : 128);
	UD_TRY(ud_block_free_part(cx, &whole, (int)in->prefix_length, &free_part));
	part.kind = whole.kind;
	part.site_id = whole.site_id;
	part.parent_id = whole.row.id;
	part.realm = whole.realm;
	set_range(cx, &part, &free_part);
	UD_TRY(ud_row_insert(cx, &ud_ip_blocks, &part));
	UD_TRY(ud_event_add(cx, "allocated", ud_ip_blocks.shape, NULL, &part));
	return ud_answer(cx, rq, ud_ip_blocks.shape, &part);
}

/* ---- the map ---- */

struct map {
	struct ud_request *rq;
	bool any;
};

static void cell(struct map *m, const char *what, const char *text, const char *id,
	const char *customer, const char *state)
{
	struct ud_buf *b = &m->rq->out;

	ud_buf_puts(b, m->any ? ",{\"kind\":" : "{\"kind\":");
	m->any = true;
	ud_buf_json(b, what);
	ud_buf_puts(b, ",\"range\":");
	ud_buf_json(b, text);
	ud_buf_puts(b, ",\"id\":");
	ud_buf_json(b, id);
	ud_buf_puts(b, ",\"customer_id\":");
	ud_buf_json(b, customer);
	ud_buf_puts(b, ",\"state\":");
	ud_buf_json(b, state);
	ud_buf_putc(b, '}');
}

static enum ud_code map_part(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_ip_block *b = row;

	(void)cx;
	cell(data, "block", b->prefix, b->row.id, b->row.customer_id, "assigned");
	return UD_OK;
}

static enum ud_code map_address(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_ip_address *a = row;

	(void)cx;
	cell(data, "address", a->address, a->row.id, a->row.customer_id,
		ud_address_states.names[a->state]);
	return UD_OK;
}

/* What is taken, parts first, at most 200 of each: for a picture; lists have the rest. */
static enum ud_code show_map(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_list list = { .limit = UD_LIST_MAX };
	struct ud_ip_block b = { 0 };
	struct map m = { rq, false };
	bool more, more_addresses;

	UD_TRY(ud_row_get(cx, &ud_ip_blocks, rq->arg[0], &b));
	ud_buf_puts(&rq->out, "{\"object\":\"ip_block_map\",\"block_id\":");
	ud_buf_json(&rq->out, b.row.id);
	ud_buf_puts(&rq->out, ",\"prefix\":");
	ud_buf_json(&rq->out, b.prefix);
	ud_buf_puts(&rq->out, ",\"cells\":[");
	list.sort[list.sort_count++] = (struct ud_sort){ "first_hex", false };
	ud_list_where(&list, "parent_id", UD_OP_EQ, ud_t(b.row.id));
	UD_TRY(ud_row_list(cx, &ud_ip_blocks, &list, map_part, &m, &more));
	list.condition_count = 0;
	list.sort[0].column = "address_hex";
	ud_list_where(&list, "block_id", UD_OP_EQ, ud_t(b.row.id));
	UD_TRY(ud_row_list(cx, &ud_ip_addresses, &list, map_address, &m, &more_addresses));
	ud_buf_printf(&rq->out, "],\"complete\":%s}", more || more_addresses ? "false" : "true");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* ---- addresses ---- */

/* A chosen address: inside its block, outside its parts, and free. */
static enum ud_code address_before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	struct ud_ip_address *a = row;
	struct ud_ip_block b = { 0 };
	struct ud_prefix p;
	ud_ip ip, first, last;
	bool v4, part = false;

	(void)given;
	if (!a) /* deleted: free at once */
		return ud_block_lower_next(cx, ((const struct ud_ip_address *)old_row)->block_id,
			((const struct ud_ip_address *)old_row)->address_hex);
	if (old_row)
		return UD_OK;
	if (ud_row_get(cx, &ud_ip_blocks, a->block_id, &b) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(cx, "block_id", "not_found",
			"block_id names nothing that you can use here.");
	}
	UD_TRY(ud_block_lock(cx, b.row.id));
	if (!ud_prefix_parse(b.prefix, &p) || !ud_ip_parse(a->address, &ip, &v4))
		return ud_fail_field(cx, "address", "format", "address is not an address.");
	ud_prefix_usable(&p, &first, &last);
	if (ip < first || ip > last)
		return ud_fail_field(cx, "address", "outside",
			"address is not one that %s gives out.", b.prefix);
	UD_TRY(owner(cx, &b, a->row.customer_id, &a->row.customer_id));
	set_address(cx, a, ip);
	UD_TRY(ud_blocks_overlap(
		cx, b.realm, b.row.id, a->address_hex, a->address_hex, NULL, &part));
	if (part)
		return ud_fail(cx, UD_E_OVERLAPS, "address",
			"The address stands in a part of the block; take it from there.");
	bool taken = false;

	UD_TRY(ud_addresses_inside(cx, b.row.id, a->address_hex, a->address_hex, &taken));
	return taken ? ud_fail(cx, UD_E_ALREADY_EXISTS, "address", "The address is taken.") : UD_OK;
}

static const struct ud_resource addresses = { .table = &ud_ip_addresses, .before = address_before };

/* Moves of an address: verb, states it starts from (bits), state it ends in. */
static const struct {
	const char *operation;
	unsigned from;
	enum ud_address_state to;
	const char *verb;
} moves[] = {
	{ "ip-addresses.reserve", 1 << UD_ADDRESS_ASSIGNED | 1 << UD_ADDRESS_QUARANTINED,
		UD_ADDRESS_RESERVED, "reserved" },
	{ "ip-addresses.assign", 1 << UD_ADDRESS_RESERVED, UD_ADDRESS_ASSIGNED, "assigned" },
	{ "ip-addresses.quarantine", 1 << UD_ADDRESS_ASSIGNED | 1 << UD_ADDRESS_RESERVED,
		UD_ADDRESS_QUARANTINED, "quarantined" },
	{ "ip-addresses.release", 1 << UD_ADDRESS_ASSIGNED | 1 << UD_ADDRESS_RESERVED,
		UD_ADDRESS_QUARANTINED, "released" },
};

static enum ud_code move(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ip_address old = { 0 }, a;
	int64_t days;
	size_t i = 0;

	while (strcmp(moves[i].operation, rq->route->operation) != 0)
		i++;
	UD_TRY(ud_row_get(cx, &ud_ip_addresses, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	if (!(moves[i].from >> old.state & 1))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The address is %s.",
			ud_address_states.names[old.state]);
	a = old;
	a.state = moves[i].to;
	a.free_at.ms = UD_NONE;
	if (a.state == UD_ADDRESS_QUARANTINED) {
		UD_TRY(ud_settings_quarantine_days(cx, &days));
		a.free_at.ms = cx->now_ms + days * 86400000;
		a.vm_id = a.mac = NULL;
	}
	UD_TRY(ud_rest_change(cx, &addresses, &rq->given, moves[i].verb, &old, &a));
	return ud_answer(cx, rq, ud_ip_addresses.shape, &a);
}

/* ---- parts ---- */

struct split_body {
	int64_t prefix_length;
};
/* clang-format off */
static const struct ud_field split_fields[] = {
	UD_FIELD(split_body, prefix_length, .flags = UD_REQUIRED, .min = 1, .max = 128, .about = "Length of each part's prefix; at most 256 parts."),
};
/* clang-format on */
static const struct ud_shape split_shape = { .bare = true, UD_SHAPE(split_body, split_fields) };

enum { SPLIT_BITS = 8 };

/* Cut a block that nothing was taken from into equal parts. */
static enum ud_code split(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct split_body *in = rq->in;
	struct ud_ip_block whole = { 0 };
	struct ud_prefix p;
	bool taken = false, parts = false;

	UD_TRY(load_block(cx, rq, &whole));
	if (!ud_prefix_parse(whole.prefix, &p) || in->prefix_length <= p.length ||
		in->prefix_length > p.length + SPLIT_BITS || in->prefix_length > (p.v4 ? 32 : 128))
		return ud_fail_field(cx, "prefix_length", "out_of_range",
			"prefix_length is between %d and %d.", p.length + 1, p.length + SPLIT_BITS);
	UD_TRY(ud_addresses_inside(cx, whole.row.id, whole.first_hex, whole.last_hex, &taken));
	UD_TRY(ud_blocks_overlap(
		cx, whole.realm, whole.row.id, whole.first_hex, whole.last_hex, NULL, &parts));
	if (taken || parts)
		return ud_fail(
			cx, UD_E_IN_USE, NULL, "Something was taken from the block already.");
	ud_page_open(rq);
	ud_ip size = ud_prefix_size((int)in->prefix_length, p.v4);

	for (ud_ip at = p.first; at <= p.last && at >= p.first; at += size) {
		struct ud_ip_block part = { .row.customer_id = whole.row.customer_id,
			.kind = whole.kind,
			.site_id = whole.site_id,
			.parent_id = whole.row.id,
			.realm = whole.realm };
		struct ud_prefix one = ud_prefix_at(at, (int)in->prefix_length, p.v4);

		set_range(cx, &part, &one);
		UD_TRY(ud_row_insert(cx, &ud_ip_blocks, &part));
		UD_TRY(ud_event_add(cx, "allocated", ud_ip_blocks.shape, NULL, &part));
		if (at != p.first)
			ud_buf_putc(&rq->out, ',');
		ud_shape_encode(&rq->out, ud_ip_blocks.shape, &part, NULL);
	}
	UD_TRY(ud_page_close(cx, rq, NULL, UD_NONE));
	rq->status = 201;
	return UD_OK;
}

/* Give a part back to the whole; what is in use stays. */
static enum ud_code release_block(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ip_block b = { 0 };

	UD_TRY(load_block(cx, rq, &b));
	if (!b.parent_id)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "Only a part of a block is given back.");
	UD_TRY(ud_block_lower_next(cx, b.parent_id, b.first_hex));
	UD_TRY(ud_row_delete(cx, &ud_ip_blocks, &b));
	UD_TRY(ud_event_add(cx, "released", ud_ip_blocks.shape, &b, NULL));
	return ud_answer_none(cx, rq);
}

/* ---- history ---- */

static enum ud_code add_change(struct ud_ctx *cx, void *data, const struct ud_event *e)
{
	struct map *m = data;

	if (m->any)
		ud_buf_putc(&m->rq->out, ',');
	m->any = true;
	ud_event_encode(cx, m->rq->server, &m->rq->out, e);
	return UD_OK;
}

static enum ud_code history(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_event_query q = { .newest_first = true, .subject_id = rq->arg[0] };
	struct ud_ip_address a = { 0 };
	struct map m = { rq, false };
	bool more = false;

	UD_TRY(ud_row_get(cx, &ud_ip_addresses, rq->arg[0], &a));
	UD_TRY(ud_page_limit(cx, rq, &q.limit));
	ud_page_open(rq);
	UD_TRY(ud_event_list(cx, &q, add_change, &m, &more));
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

enum { TAKE = UD_STAFF_WRITE | UD_CUSTOMER_WRITE };

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/ip-blocks", "ip-blocks", "an IP block", "IP blocks", UD_PEOPLE, UD_STAFF_WRITE, &blocks),
	{ "POST",  "/v1/ip-blocks/{id}/allocate-address", "ip-blocks.allocate-address", TAKE,      "ip-blocks:write",    UD_WRITE, &allocate_address_shape, .status = 201, .resource = &addresses, .handle = allocate_address, .about = "Take the next free address of a block." },
	{ "POST",  "/v1/ip-blocks/{id}/allocate-block",   "ip-blocks.allocate-block",   TAKE,      "ip-blocks:write",    UD_WRITE, &allocate_block_shape, .status = 201, .resource = &blocks, .handle = allocate_block, .about = "Take the next free part of a block." },
	{ "GET",   "/v1/ip-blocks/{id}/map",              "ip-blocks.map",              UD_PEOPLE, "ip-blocks:read",     0, .answer = &ud_block_map_shape, .handle = show_map, .about = "Show what of a block is taken, for a picture." },
	{ "GET",   "/v1/ip-addresses",                    "ip-addresses.list",          UD_PEOPLE, "ip-addresses:read",  UD_LIST, .resource = &addresses, .handle = ud_rest_list, .about = "List addresses that were given out." },
	{ "POST",  "/v1/ip-addresses",                    "ip-addresses.create",        TAKE,      "ip-addresses:write", UD_WRITE, .status = 201, .resource = &addresses, .handle = ud_rest_create, .about = "Take a chosen address of a block." },
	{ "GET",   "/v1/ip-addresses/{id}",               "ip-addresses.show",          UD_PEOPLE, "ip-addresses:read",  0, .resource = &addresses, .handle = ud_rest_show, .about = "Show an address." },
	{ "PATCH", "/v1/ip-addresses/{id}",               "ip-addresses.edit",          TAKE,      "ip-addresses:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &addresses, .handle = ud_rest_edit, .about = "Change what an address is for." },
	{ "POST",  "/v1/ip-addresses/{id}/reserve",       "ip-addresses.reserve",       TAKE,      "ip-addresses:write", UD_WRITE, .resource = &addresses, .handle = move, .about = "Keep an address without a user." },
	{ "POST",  "/v1/ip-addresses/{id}/assign",        "ip-addresses.assign",        TAKE,      "ip-addresses:write", UD_WRITE, .resource = &addresses, .handle = move, .about = "Use a reserved address." },
	{ "POST",  "/v1/ip-addresses/{id}/release",       "ip-addresses.release",       TAKE,      "ip-addresses:write", UD_WRITE, .resource = &addresses, .handle = move, .about = "Give an address back; it rests before it is given out again." },
	{ "POST",  "/v1/ip-blocks/{id}/split",            "ip-blocks.split",            UD_STAFF_WRITE, "ip-blocks:write", UD_WRITE | UD_WHOLE, &split_shape, .resource = &blocks, .status = 201, .handle = split, .about = "Cut a block that nothing was taken from into equal parts." },
	{ "POST",  "/v1/ip-blocks/{id}/release",          "ip-blocks.release",          TAKE,      "ip-blocks:write",    UD_WRITE, .status = 204, .handle = release_block, .about = "Give a part back to the block it was cut from." },
	{ "POST",  "/v1/ip-addresses/{id}/quarantine",    "ip-addresses.quarantine",    UD_STAFF_WRITE, "ip-addresses:write", UD_WRITE, .resource = &addresses, .handle = move, .about = "Take an address out of use for the days of quarantine." },
	{ "DELETE", "/v1/ip-addresses/{id}",              "ip-addresses.delete",        UD_STAFF_WRITE, "ip-addresses:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &addresses, .handle = ud_rest_delete, .about = "Free an address at once, without its quarantine." },
	{ "GET",   "/v1/ip-addresses/{id}/history",       "ip-addresses.history",       UD_PEOPLE, "ip-addresses:read",  UD_WHOLE, .answer = &ud_event_shape, .handle = history, .about = "List what happened to an address, newest first." },
};
/* clang-format on */
const struct ud_routes ud_api_addresses = { "Addresses", rows, UD_LEN(rows) };
