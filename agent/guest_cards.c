/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kits. Linux: what stands is read first, so that a guest that is right is left alone;
 * addresses that are not to be there go, of the families that are set; and what stands afterwards
 * is read again. Windows: netsh replaces all of a family, and tells by its status.
 */
#include "agent/guest_cards.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ip.h"

enum { PROGRAM_MS = 30000, ARGUMENTS = 12, HAVE = 32, DETAIL = 300 };

/* One card of the guest, on its way. */
struct setting {
	struct ud_ctx *cx;
	struct ud_hv *hv;
	const char *uuid;
	const struct ud_guest_net *net;
	const struct ud_card_addresses *card;
	const char *name; /* of the card inside the guest */
	bool changed;
	const char *wrong; /* why it cannot be; NULL = nothing is wrong */
};

struct ud_guest_kit {
	const char *const *paths; /* of the program that lists cards, ended by NULL */
	const char *const *list;  /* its arguments, ended by NULL */
	/* the line's card, if it has the MAC */
	const char *(*name_of)(struct ud_ctx *cx, const char *line, const char *mac);
	void (*set)(struct setting *s);
};

/* ---- programs in the guest ---- */

static enum ud_code run(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *path,
	const char *const *words, struct ud_guest_ran *ret)
{
	struct ud_guest_program p = { .path = path, .timeout_ms = PROGRAM_MS };
	const char *copy[ARGUMENTS];

	for (; words[p.arguments.count]; p.arguments.count++)
		copy[p.arguments.count] = words[p.arguments.count];
	p.arguments.items = copy;
	return ud_hv_guest_run(cx, hv, uuid, &p, ret);
}

/* One change; what goes wrong is kept, and the first of it is told. */
static bool change(struct setting *s, const char *path, const char *const *words)
{
	struct ud_guest_ran ran = { 0 };
	enum ud_code code = run(s->cx, s->hv, s->uuid, path, words, &ran);
	const char *said = *ran.error ? ran.error : ran.output;

	if (code == UD_OK && ran.status == 0) {
		s->changed = true;
		return true;
	}
	if (!s->wrong)
		s->wrong = code == UD_OK ? ud_printf(s->cx->arena, "%s ends with %d: %.*s", path,
						   ran.status, (int)strcspn(said, "\r\n"), said)
					 : s->cx->problem.detail;
	ud_ctx_clear(s->cx);
	return false;
}
#define CHANGE(s_, path_, ...) change(s_, path_, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- addresses as texts ---- */

struct address {
	ud_ip ip;
	int length;
	bool v4;
	const char *text; /* "198.51.100.7/24" */
};

/* False: it is none. */
static bool read_address(struct ud_ctx *cx, const char *text, struct address *ret)
{
	size_t n = strcspn(text, "/");
	char *end = NULL;

	ret->text = text;
	ret->length = text[n] ? (int)strtol(text + n + 1, &end, 10) : -1;
	return text[n] && !*end &&
		ud_ip_parse(ud_strndup(cx->arena, text, n), &ret->ip, &ret->v4) &&
		ret->length >= 0 && ret->length <= (ret->v4 ? 32 : 128);
}

static bool same(const struct address *a, const struct address *b)
{
	return a->ip == b->ip && a->length == b->length;
}

static bool has(const struct address *list, size_t n, const struct address *one)
{
	for (size_t i = 0; i < n; i++)
		if (same(&list[i], one))
			return true;
	return false;
}

static size_t wanted(struct setting *s, struct address *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s->card->addresses.count && n < HAVE; i++)
		if (read_address(s->cx, s->card->addresses.items[i], &ret[n]))
			n++;
		else if (!s->wrong)
			s->wrong = ud_printf(s->cx->arena, "%s is no address with its length.",
				s->card->addresses.items[i]);
	return n;
}

/* ---- Linux ---- */

/* "2: eth0@if3: <…> … link/ether 52:54:00:00:00:01 brd …" */
static const char *linux_name(struct ud_ctx *cx, const char *line, const char *mac)
{
	static const char key[] = "link/ether ";
	const char *at = strstr(line, key), *name = strstr(line, ": ");

	if (!at || !name || strncasecmp(at + sizeof(key) - 1, mac, strlen(mac)) != 0)
		return NULL;
	name += 2;
	return ud_strndup(cx->arena, name, strcspn(name, ":@ "));
}

/* "2: eth0    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0": those that are valid beyond the
 * card. An IPv6 address that a router gave is the router's matter. */
static bool read_line(struct ud_ctx *cx, const char *line, struct address *ret)
{
	char *copy = ud_strdup(cx->arena, line), *rest = NULL;
	const char *found = NULL, *before = "";
	bool global = false, given = false;

	for (const char *word = strtok_r(copy, " \t", &rest); word;
		word = strtok_r(NULL, " \t", &rest)) {
		if (strcmp(before, "inet") == 0 || strcmp(before, "inet6") == 0)
			found = word;
		global |= strcmp(before, "scope") == 0 && strcmp(word, "global") == 0;
		given |= strcmp(word, "dynamic") == 0;
		before = word;
	}
	return found && global && read_address(cx, found, ret) && (ret->v4 || !given);
}

static size_t linux_have(struct setting *s, struct address *ret)
{
	const char *const words[] = { "-o", "addr", "show", "dev", s->name, NULL };
	struct ud_guest_ran ran = { 0 };
	size_t n = 0;

	if (run(s->cx, s->hv, s->uuid, s->net->program, words, &ran) != UD_OK) {
		s->wrong = s->wrong ? s->wrong : s->cx->problem.detail;
		ud_ctx_clear(s->cx);
		return 0;
	}
	for (const char *line = ran.output; *line && n < HAVE;) {
		size_t len = strcspn(line, "\n");

		n += read_line(s->cx, ud_strndup(s->cx->arena, line, len), &ret[n]);
		line += len + (line[len] != '\0');
	}
	return n;
}

/* Does the card get an address of that family? */
static bool sets_family(const struct address *want, size_t n, bool v4)
{
	for (size_t i = 0; i < n; i++)
		if (want[i].v4 == v4)
			return true;
	return false;
}

static void linux_routes(struct setting *s)
{
	const char *ip = s->net->program;

	for (size_t i = 0; i < s->card->gateways.count; i++) {
		const char *gateway = s->card->gateways.items[i];

		CHANGE(s, ip, strchr(gateway, ':') ? "-6" : "-4", "route", "replace", "default",
			"via", gateway, "dev", s->name);
	}
}

/* systemd-resolved where it runs; else the file that everything reads. */
static void linux_dns(struct setting *s)
{
	const struct ud_texts *dns = &s->card->dns;
	const char *words[ARGUMENTS] = { "dns", s->name };
	struct ud_guest_ran ran = { 0 };
	struct ud_buf b = { 0 };

	if (!dns->count)
		return;
	for (size_t i = 0; i < dns->count && i + 3 < ARGUMENTS; i++)
		words[i + 2] = dns->items[i];
	enum ud_code code = run(s->cx, s->hv, s->uuid, "/usr/bin/resolvectl", words, &ran);

	ud_ctx_clear(s->cx);
	if (code == UD_OK && ran.status == 0)
		return;
	for (size_t i = 0; i < dns->count; i++)
		ud_buf_printf(&b, "nameserver %s\n", dns->items[i]);
	if (ud_hv_guest_write(s->cx, s->hv, s->uuid, "/etc/resolv.conf", b.data, b.len) != UD_OK &&
		!s->wrong)
		s->wrong = ud_printf(s->cx->arena,
			"The addresses stand, the servers of names do not: %s",
			s->cx->problem.detail);
	ud_ctx_clear(s->cx);
	ud_buf_free(&b);
}

/* Those that are not to be there go first: with one, the kernel may take others of its subnet. Then
 * what is missing comes. */
static void linux_change(struct setting *s, const struct address *want, size_t want_n)
{
	struct address have[HAVE];
	size_t have_n = linux_have(s, have);
	const char *ip = s->net->program;

	CHANGE(s, ip, "link", "set", "dev", s->name, "up");
	for (size_t i = 0; i < have_n; i++)
		if (!has(want, want_n, &have[i]) && sets_family(want, want_n, have[i].v4))
			CHANGE(s, ip, "addr", "del", have[i].text, "dev", s->name);
	have_n = linux_have(s, have);
	for (size_t i = 0; i < want_n; i++)
		if (!has(have, have_n, &want[i]))
			CHANGE(s, ip, "addr", "add", want[i].text, "dev", s->name);
}

static bool stands(
	const struct address *want, size_t want_n, const struct address *have, size_t have_n)
{
	for (size_t i = 0; i < want_n; i++)
		if (!has(have, have_n, &want[i]))
			return false;
	for (size_t i = 0; i < have_n; i++)
		if (!has(want, want_n, &have[i]) && sets_family(want, want_n, have[i].v4))
			return false;
	return true;
}

static void linux_set(struct setting *s)
{
	struct address want[HAVE], have[HAVE];
	size_t want_n = wanted(s, want), have_n = linux_have(s, have);
	bool stood = stands(want, want_n, have, have_n);

	if (s->wrong)
		return;
	if (!stood)
		linux_change(s, want, want_n);
	linux_routes(s);
	linux_dns(s);
	s->changed = !stood;
	if (stood || s->wrong)
		return;
	have_n = linux_have(s, have);
	if (!s->wrong && !stands(want, want_n, have, have_n))
		s->wrong = "The guest took the addresses and does not have them; something in it "
			   "sets its cards by itself.";
}

/* ---- Windows ---- */

/* "Ethernet 2","Microsoft …","52-54-00-00-00-01","\Device\…" */
static const char *windows_name(struct ud_ctx *cx, const char *line, const char *mac)
{
	char *dashed = ud_strdup(cx->arena, mac);

	for (char *c = dashed; *c; c++)
		*c = *c == ':' ? '-' : (char)toupper((unsigned char)*c);
	if (*line != '"' || !strstr(line, ud_printf(cx->arena, "\"%s\"", dashed)))
		return NULL;
	return ud_strndup(cx->arena, line + 1, strcspn(line + 1, "\""));
}

static const char netsh[] = "C:\\Windows\\System32\\netsh.exe";

static const char *mask_of(struct ud_ctx *cx, int length)
{
	unsigned long mask = length ? 0xffffffffUL << (32 - length) & 0xffffffffUL : 0;

	return ud_printf(cx->arena, "%lu.%lu.%lu.%lu", mask >> 24, mask >> 16 & 255,
		mask >> 8 & 255, mask & 255);
}

static const char *gateway_of(const struct setting *s, bool v4)
{
	for (size_t i = 0; i < s->card->gateways.count; i++)
		if (!strchr(s->card->gateways.items[i], ':') == v4)
			return s->card->gateways.items[i];
	return NULL;
}

/* The first of IPv4 replaces all of them. */
static void windows_address(struct setting *s, const struct address *a, bool first)
{
	struct ud_arena *arena = s->cx->arena;
	const char *plain = ud_strndup(arena, a->text, strcspn(a->text, "/"));
	const char *gateway = gateway_of(s, a->v4);
	const char *name = ud_printf(arena, "name=%s", s->name);

	if (!a->v4)
		CHANGE(s, netsh, "interface", "ipv6", "set", "address",
			ud_printf(arena, "interface=%s", s->name),
			ud_printf(arena, "address=%s", a->text));
	else if (first)
		CHANGE(s, netsh, "interface", "ipv4", "set", "address", name, "source=static",
			ud_printf(arena, "address=%s", plain),
			ud_printf(arena, "mask=%s", mask_of(s->cx, a->length)),
			ud_printf(arena, "gateway=%s", gateway ? gateway : "none"));
	else
		CHANGE(s, netsh, "interface", "ipv4", "add", "address", name,
			ud_printf(arena, "address=%s", plain),
			ud_printf(arena, "mask=%s", mask_of(s->cx, a->length)));
}

static void windows_set(struct setting *s)
{
	struct address want[HAVE];
	size_t n = wanted(s, want);
	const char *name = ud_printf(s->cx->arena, "name=%s", s->name);
	bool v4_done = false;

	for (size_t i = 0; i < n && !s->wrong; i++) {
		windows_address(s, &want[i], !v4_done);
		v4_done |= want[i].v4;
	}
	for (size_t i = 0; i < s->card->dns.count && !s->wrong; i++) {
		const char *dns = s->card->dns.items[i];

		CHANGE(s, netsh, "interface", strchr(dns, ':') ? "ipv6" : "ipv4", i ? "add" : "set",
			"dnsservers", name, i ? "validate=no" : "source=static",
			ud_printf(s->cx->arena, "address=%s", dns));
	}
	s->changed = true;
}

/* ---- kits ---- */

static const char *const ip_paths[] = { "/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip",
	NULL };
static const char *const ip_list[] = { "-o", "link", NULL };
static const char *const getmac_paths[] = { "C:\\Windows\\System32\\getmac.exe", NULL };
static const char *const getmac_list[] = { "/v", "/fo", "csv", "/nh", NULL };
static const struct ud_guest_kit kits[] = {
	{ ip_paths, ip_list, linux_name, linux_set },
	{ getmac_paths, getmac_list, windows_name, windows_set },
};

enum ud_code ud_guest_net_ask(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_guest_net *ret)
{
	for (size_t i = 0; i < UD_LEN(kits); i++)
		for (const char *const *path = kits[i].paths; *path; path++) {
			struct ud_guest_ran ran = { 0 };
			enum ud_code code = run(cx, hv, uuid, *path, kits[i].list, &ran);

			if (code == UD_OK && ran.status == 0) {
				*ret = (struct ud_guest_net){ &kits[i], *path, ran.output };
				return UD_OK;
			}
			if (code != UD_OK && code != UD_E_NOT_FOUND)
				return code;
			ud_ctx_clear(cx);
		}
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
		"The guest has neither ip nor getmac to list its cards with.");
}

/* The card's name in the guest; what has its MAC besides (a bridge, a VLAN) makes it uncertain. */
static const char *find_name(struct setting *s)
{
	const char *found = NULL;

	for (const char *line = s->net->listing; *line;) {
		size_t len = strcspn(line, "\r\n");
		const char *name = s->net->kit->name_of(
			s->cx, ud_strndup(s->cx->arena, line, len), s->card->mac);

		if (name && found)
			s->wrong = ud_printf(s->cx->arena,
				"%s and %s of the guest have this card's MAC address; which of "
				"them has the addresses is the guest's matter.",
				found, name);
		found = name ? name : found;
		line += len + strspn(line + len, "\r\n");
	}
	if (!found)
		s->wrong = "The guest has no card with this MAC address.";
	return found;
}

void ud_guest_card_set(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_net *net, const struct ud_card_addresses *card,
	struct ud_card_told *ret)
{
	struct setting s = { .cx = cx, .hv = hv, .uuid = uuid, .net = net, .card = card };

	s.name = find_name(&s);
	if (!s.wrong)
		net->kit->set(&s);
	*ret = (struct ud_card_told){ .mac = card->mac,
		.addresses = card->addresses,
		.outcome = s.wrong  ? UD_CARD_FAILED
			: s.changed ? UD_CARD_SET
				    : UD_CARD_ALREADY,
		.detail = s.wrong ? ud_printf(cx->arena, "%.*s", DETAIL, s.wrong) : NULL };
}
