/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP blocks and addresses. Blocks of one realm do not overlap unless one is part of the other; the
 * realm is the internet for public blocks, and for private ones the customer's (or the provider's)
 * own network.
 */
#ifndef DB_ADDRESSES_H
#define DB_ADDRESSES_H

#include "base/ip.h"
#include "db/rows.h"

enum ud_block_kind { UD_BLOCK_PUBLIC, UD_BLOCK_PRIVATE };
extern const struct ud_enum ud_block_kinds;
enum ud_address_state { UD_ADDRESS_ASSIGNED, UD_ADDRESS_RESERVED, UD_ADDRESS_QUARANTINED };
extern const struct ud_enum ud_address_states;
enum ud_address_purpose { UD_ADDRESS_PRODUCTION, UD_ADDRESS_FAILOVER, UD_ADDRESS_TEST };
extern const struct ud_enum ud_address_purposes;

struct ud_ip_block {
	struct ud_row row;
	const char *prefix;
	unsigned kind; /* enum ud_block_kind */
	const char *site_id, *parent_id, *network_id, *gateway, *note;
	struct ud_texts dns;
	const char *realm, *first_hex, *last_hex;
	const char *next_hex; /* everything usable below it is taken */
};
extern const struct ud_table ud_ip_blocks;

struct ud_ip_address {
	struct ud_row row;
	const char *block_id, *address;
	unsigned state, purpose;
	const char *vm_id, *mac, *note;
	struct ud_time free_at; /* of a quarantined one: when it may be given out again */
	const char *address_hex;
};
extern const struct ud_table ud_ip_addresses;

/* Does a range overlap a block of the realm below this parent (NULL = the top)? but_id is left out.
 */
enum ud_code ud_blocks_overlap(struct ud_ctx *cx, const char *realm, const char *parent_id,
	const char *first_hex, const char *last_hex, const char *but_id, bool *ret) UD_USE;
/* Is any address of the block inside a range given out (quarantined ones count)? */
enum ud_code ud_addresses_inside(struct ud_ctx *cx, const char *block_id, const char *first_hex,
	const char *last_hex, bool *ret) UD_USE;

/*
 * Take the lock of a block for the rest of the transaction: what is read of its addresses
 * afterwards stays true until the commit, on both engines.
 */
enum ud_code ud_block_lock(struct ud_ctx *cx, const char *block_id) UD_USE;
/* Remember where looking for a free address begins next time. */
enum ud_code ud_block_set_next(struct ud_ctx *cx, const char *block_id, const char *next_hex)
	UD_USE;

/* The same, but never upwards: an address below was given back. */
enum ud_code ud_block_lower_next(struct ud_ctx *cx, const char *block_id, const char *hex) UD_USE;

/*
 * The lowest free address of a block from its next_hex on; addresses whose quarantine is over are
 * forgotten on the way. The block must be locked. UD_E_EXHAUSTED when there is none.
 */
enum ud_code ud_block_free_address(struct ud_ctx *cx, const struct ud_ip_block *block, ud_ip *ret)
	UD_USE;
/* The lowest free part of a block with this length. UD_E_EXHAUSTED. */
enum ud_code ud_block_free_part(struct ud_ctx *cx, const struct ud_ip_block *block, int length,
	struct ud_prefix *ret) UD_USE;

/*
 * An address of a VM that is kept for a purpose: one for failovers that is reserved, or one for
 * tests that is reserved or assigned. *ret NULL = there is none. Every tenant's: the caller has
 * read the VM with its own scope.
 */
enum ud_code ud_address_held(struct ud_ctx *cx, const char *vm_id, enum ud_address_purpose purpose,
	const char **ret) UD_USE;

#endif
