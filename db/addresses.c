/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables and the searches for what is free.
 */
#include "db/addresses.h"

#include <stdio.h>
#include <string.h>

#include "base/rules.h"

static const char *const kind_names[] = { "public", "private" };
const struct ud_enum ud_block_kinds = { "ip_block_kind", kind_names, UD_LEN(kind_names) };
static const char *const state_names[] = { "assigned", "reserved", "quarantined" };
const struct ud_enum ud_address_states = { "ip_address_state", state_names, UD_LEN(state_names) };
static const char *const purpose_names[] = { "production", "failover_reserved", "test" };
const struct ud_enum ud_address_purposes = { "ip_address_purpose", purpose_names,
	UD_LEN(purpose_names) };

static const char *rule_prefix(struct ud_ctx *cx, const char *s)
{
	struct ud_prefix p;

	(void)cx;
	return ud_prefix_parse(s, &p)
		? NULL
		: "is a prefix such as 203.0.113.0/24, with zeros behind its length.";
}

static const char *rule_address(struct ud_ctx *cx, const char *s)
{
	ud_ip ip;
	bool v4;

	(void)cx;
	return ud_ip_parse(s, &ip, &v4) ? NULL
					: "is an address such as 203.0.113.7 or 2001:db8::7.";
}

/* clang-format off */
static const struct ud_field block_fields[] = {
	UD_FIELD(ud_ip_block, prefix,     .flags = UD_REQUIRED | UD_FIXED | UD_SEARCH | UD_BRIEF, .max = 50, .rule = rule_prefix, .about = "Range in CIDR form."),
	UD_FIELD(ud_ip_block, kind,       .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .values = &ud_block_kinds, .about = "Reachable from the internet, or from inside only."),
	UD_FIELD(ud_ip_block, site_id,    .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .refers = "sit", .about = "Site it is routed to."),
	UD_FIELD(ud_ip_block, parent_id,  .flags = UD_SERVER | UD_FILTER, .refers = "ipb", .about = "Block it is a part of."),
	UD_FIELD(ud_ip_block, network_id, .flags = UD_FILTER, .refers = "net", .about = "Network it is used in."),
	UD_FIELD(ud_ip_block, gateway,    .max = 50, .rule = rule_address, .about = "Address of the router; never given out."),
	UD_FIELD(ud_ip_block, dns,        .max = 8, .rule = rule_address, .about = "Servers of names for guests that come up here."),
	UD_FIELD(ud_ip_block, note,       .flags = UD_SEARCH, .max = 500, .about = "Words for people."),
	UD_FIELD(ud_ip_block, realm,      .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_ip_block, first_hex,  .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_ip_block, last_hex,   .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_ip_block, next_hex,   .flags = UD_SECRET | UD_SERVER),
};
static const struct ud_shape block_shape = { .object = "ip_block", .prefix = "ipb", .table = "ip_blocks",
	UD_SHAPE(ud_ip_block, block_fields), .about = "A range of addresses." };
const struct ud_table ud_ip_blocks = { .shape = &block_shape };

static const struct ud_field address_fields[] = {
	UD_FIELD(ud_ip_address, block_id,    .flags = UD_REQUIRED | UD_FIXED | UD_FILTER, .refers = "ipb", .about = "Block it comes from."),
	UD_FIELD(ud_ip_address, address,     .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_SEARCH | UD_BRIEF, .max = 50, .rule = rule_address, .about = "The address."),
	UD_FIELD(ud_ip_address, state,       .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_address_states, .about = "Where the address stands."),
	UD_FIELD(ud_ip_address, purpose,     .flags = UD_BRIEF, .values = &ud_address_purposes, .about = "What it is for."),
	UD_FIELD(ud_ip_address, vm_id,       .flags = UD_FILTER | UD_BRIEF, .refers = "vm", .about = "VM that uses it."),
	UD_FIELD(ud_ip_address, mac,         .max = 17, .rule = ud_rule_mac, .about = "Card of the VM that is to have it; needed where several of its cards are in one network."),
	UD_FIELD(ud_ip_address, note,        .flags = UD_SEARCH | UD_BRIEF, .max = 500, .about = "Words for people."),
	UD_FIELD(ud_ip_address, free_at,     .flags = UD_SERVER, .about = "When a quarantined address may be given out again."),
	UD_FIELD(ud_ip_address, address_hex, .flags = UD_SECRET | UD_SERVER | UD_UNIQUE),
};
/* clang-format on */
static const struct ud_shape address_shape = { .object = "ip_address",
	.prefix = "ipa",
	.table = "ip_addresses",
	UD_SHAPE(ud_ip_address, address_fields),
	.about = "An address that was given out." };
const struct ud_table ud_ip_addresses = { .shape = &address_shape };

enum ud_code ud_blocks_overlap(struct ud_ctx *cx, const char *realm, const char *parent_id,
	const char *first_hex, const char *last_hex, const char *but_id, bool *ret)
{
	int64_t one;

	/* every tenant: ranges of one realm are unique whoever has them; nothing of the other block
	 * is told */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM ip_blocks"
		" WHERE realm = $1 AND COALESCE(parent_id, '') = $2 AND first_hex <= $4 AND last_hex >= $3 AND id <> $5 LIMIT 1",
		UD_VALS(ud_t(realm), ud_t(parent_id ? parent_id : ""), ud_t(first_hex),
			ud_t(last_hex), ud_t(but_id ? but_id : "")));
}

enum ud_code ud_addresses_inside(struct ud_ctx *cx, const char *block_id, const char *first_hex,
	const char *last_hex, bool *ret)
{
	int64_t one;

	/* every tenant: an address is taken whoever has it */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM ip_addresses WHERE block_id = $1 AND address_hex >= $2 AND address_hex <= $3 LIMIT 1",
		UD_VALS(ud_t(block_id), ud_t(first_hex), ud_t(last_hex)));
}

enum ud_code ud_block_lock(struct ud_ctx *cx, const char *block_id)
{
	/* every tenant: the caller has read the block under its own scope */
	return ud_exec(cx, NULL, "UPDATE ip_blocks SET next_hex = next_hex WHERE id = $1",
		UD_VALS(ud_t(block_id)));
}

enum ud_code ud_block_set_next(struct ud_ctx *cx, const char *block_id, const char *next_hex)
{
	/* every tenant: as above */
	return ud_exec(cx, NULL, "UPDATE ip_blocks SET next_hex = $2 WHERE id = $1",
		UD_VALS(ud_t(block_id), ud_t(next_hex)));
}

enum ud_code ud_block_lower_next(struct ud_ctx *cx, const char *block_id, const char *hex)
{
	/* every tenant: as above */
	return ud_exec(cx, NULL,
		"UPDATE ip_blocks SET next_hex = $2 WHERE id = $1 AND next_hex > $2",
		UD_VALS(ud_t(block_id), ud_t(hex)));
}

/* Forget addresses whose quarantine is over; *ret_next = where looking begins now. */
static enum ud_code forget_released(
	struct ud_ctx *cx, const struct ud_ip_block *block, const char **ret_next)
{
	const struct ud_val vals[] = { ud_t(block->row.id), ud_i(cx->now_ms) };
	const char *lowest = NULL;
	bool found = false;

	*ret_next = block->next_hex;
	/* every tenant: a quarantine that is over binds nobody */
	UD_TRY(ud_query_text(cx, &found, &lowest,
		"SELECT MIN(address_hex) FROM ip_addresses WHERE block_id = $1 AND state = 'quarantined' AND free_at <= $2",
		vals, UD_LEN(vals)));
	if (!found)
		return UD_OK;
	if (strcmp(lowest, block->next_hex) < 0)
		*ret_next = lowest;
	/* every tenant: as above */
	return ud_exec(cx, NULL,
		"DELETE FROM ip_addresses WHERE block_id = $1 AND state = 'quarantined' AND free_at <= $2",
		vals, UD_LEN(vals));
}

/* The end of the taken range that covers an address: a part of the block, or the address itself
 * given out. */
static enum ud_code taken_until(struct ud_ctx *cx, const struct ud_ip_block *block, ud_ip at,
	bool *ret_taken, ud_ip *ret_last)
{
	char hex[UD_IP_HEX];
	const char *last;

	ud_ip_hex(at, hex);
	/* every tenant: what is taken is taken whoever has it */
	UD_TRY(ud_query_text(cx, ret_taken, &last,
		"SELECT last_hex FROM ip_blocks WHERE parent_id = $1 AND first_hex <= $2 AND last_hex >= $2 LIMIT 1",
		UD_VALS(ud_t(block->row.id), ud_t(hex))));
	if (!*ret_taken) {
		last = ud_strdup(cx->arena, hex);
		UD_TRY(ud_addresses_inside(cx, block->row.id, hex, hex, ret_taken));
	}
	if (*ret_taken)
		*ret_last = ud_ip_unhex(last);
	return UD_OK;
}

enum ud_code ud_block_free_address(struct ud_ctx *cx, const struct ud_ip_block *block, ud_ip *ret)
{
	struct ud_prefix p;
	ud_ip first, last, at, gateway = 0;
	const char *next;
	bool v4, taken = true;

	UD_TRY(forget_released(cx, block, &next));
	if (!ud_prefix_parse(block->prefix, &p))
		return ud_fail(
			cx, UD_E_INTERNAL, NULL, "block %s has a wrong prefix", block->row.id);
	ud_prefix_usable(&p, &first, &last);
	at = ud_ip_unhex(next);
	if (at < first)
		at = first;
	if (block->gateway && !ud_ip_parse(block->gateway, &gateway, &v4))
		gateway = 0;
	for (; at <= last && at >= first; at++) {
		ud_ip until = at;

		if (gateway && at == gateway)
			continue;
		UD_TRY(taken_until(cx, block, at, &taken, &until));
		if (!taken) {
			*ret = at;
			return UD_OK;
		}
		at = until;
	}
	return ud_fail(cx, UD_E_EXHAUSTED, NULL, "Every address of %s is taken.", block->prefix);
}

/* A part is free when no other part and no address stands in it. */
enum ud_code ud_block_free_part(
	struct ud_ctx *cx, const struct ud_ip_block *block, int length, struct ud_prefix *ret)
{
	struct ud_prefix p;
	const char *next;

	UD_TRY(forget_released(cx, block, &next));
	UD_TRY(ud_block_lower_next(cx, block->row.id, next));
	if (!ud_prefix_parse(block->prefix, &p))
		return ud_fail(
			cx, UD_E_INTERNAL, NULL, "block %s has a wrong prefix", block->row.id);
	ud_ip size = ud_prefix_size(length, p.v4), at = p.first;

	while (at >= p.first && at <= p.last) {
		char first_hex[UD_IP_HEX], last_hex[UD_IP_HEX];
		const char *last = NULL;
		bool found = false;

		ud_ip_hex(at, first_hex);
		ud_ip_hex(at + size - 1, last_hex);
		/* every tenant: what is taken is taken whoever has it */
		UD_TRY(ud_query_text(cx, &found, &last,
			"SELECT last_hex FROM ip_blocks WHERE parent_id = $1 AND first_hex <= $3 AND last_hex >= $2"
			" ORDER BY last_hex DESC LIMIT 1",
			UD_VALS(ud_t(block->row.id), ud_t(first_hex), ud_t(last_hex))));
		if (!found) /* every tenant: as above */
			UD_TRY(ud_query_text(cx, &found, &last,
				"SELECT address_hex FROM ip_addresses WHERE block_id = $1 AND address_hex >= $2 AND address_hex <= $3"
				" ORDER BY address_hex DESC LIMIT 1",
				UD_VALS(ud_t(block->row.id), ud_t(first_hex), ud_t(last_hex))));
		if (!found) {
			*ret = ud_prefix_at(at, length, p.v4);
			return UD_OK;
		}
		at = ((ud_ip_unhex(last) - p.first) / size + 1) * size + p.first;
	}
	return ud_fail(cx, UD_E_EXHAUSTED, NULL, "%s has no free /%d.", block->prefix, length);
}

/* every tenant: see the header */
enum ud_code ud_address_held(
	struct ud_ctx *cx, const char *vm_id, enum ud_address_purpose purpose, const char **ret)
{
	bool found = false;

	*ret = NULL;
	return ud_query_text(cx, &found, ret,
		"SELECT address FROM ip_addresses WHERE vm_id = $1 AND purpose = $2"
		" AND (state = 'reserved' OR (state = 'assigned' AND purpose = 'test'))"
		" ORDER BY id LIMIT 1",
		UD_VALS(ud_t(vm_id), ud_t(ud_address_purposes.names[purpose])));
}
