/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See breakglass.h.
 */
#include "agent/breakglass.h"

#include <string.h>

#include "base/crypto.h"
#include "base/envelope.h"
#include "base/time.h"

const char *ud_breakglass_words(struct ud_ctx *cx, const char *vm_id)
{
	return ud_printf(cx->arena,
		"I have made sure that the primary of %s is off and stays off, and no server answers.",
		vm_id);
}

static enum ud_code read_envelope(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *vm_id, const char *line, struct ud_envelope *ret)
{
	size_t n = 0;
	const unsigned char *key = ud_base64url_decode(cx->arena, config->command_key, &n);

	if (!key || n != UD_SIGN_PUBLIC)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "[agent] command_key is no key");
	UD_TRY(ud_envelope_open(cx, key, line, ret));
	if (strcmp(ret->vm_id, vm_id) != 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The envelope is for %s.", ret->vm_id);
	if (strcmp(ret->host_id, config->host_id) != 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The envelope is for the host %s.",
			ret->host_id);
	return UD_OK;
}

struct taking {
	const struct ud_envelope *envelope;
	struct ud_journal_vm vm;
};

static enum ud_code take(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct taking *t = data;

	if (!found || vm->role != UD_VM_ROLE_REPLICA)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host is %s for the VM.",
			found ? ud_vm_roles.names[vm->role] : "nothing");
	if (vm->epoch != t->envelope->epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The envelope is for epoch %lld, the VM has %lld.",
			(long long)t->envelope->epoch, (long long)vm->epoch);
	vm->promised = vm->epoch;
	vm->epoch++;
	vm->role = UD_VM_ROLE_PRIMARY;
	vm->breakglass = true;
	vm->hold = vm->wanted = vm->fast_start = false;
	vm->permit_ms = UD_NONE;
	t->vm = *vm;
	return UD_OK;
}

enum ud_code ud_breakglass(struct ud_ctx *cx, const struct ud_agent_config *config,
	ud_journal *journal, const char *vm_id, const char *envelope, const char *words,
	struct ud_journal_vm *ret)
{
	struct ud_envelope e = { 0 };
	struct taking t = { .envelope = &e };
	char at[UD_TIME_TEXT];

	UD_TRY(read_envelope(cx, config, vm_id, envelope, &e));
	if (strcmp(words, ud_breakglass_words(cx, vm_id)) != 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"The statement was not typed as it stands; nothing was changed.");
	ud_time_format(cx->now_ms, at);
	/* the note first: without the taking it says only what somebody was about to do */
	UD_TRY(ud_journal_note(cx, journal, ud_printf(cx->arena, "breakglass of %s", vm_id),
		ud_printf(cx->arena, "%s %s", at, words)));
	UD_TRY(ud_journal_vm_change(cx, journal, vm_id, take, &t));
	*ret = t.vm;
	return UD_OK;
}
