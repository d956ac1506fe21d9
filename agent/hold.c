/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See hold.h.
 */
#include "agent/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/rules.h"

/* Whom a pass is for, and until when of which boot. */
#define PASS "pass of %s"

enum ud_code ud_hold_pass(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	const char *host_boot, int64_t for_ms)
{
	int64_t until = ud_mono_ms(cx->env) + for_ms;

	return ud_journal_note(cx, journal, ud_printf(cx->arena, PASS, vm_id),
		ud_printf(cx->arena, "%lld %s", (long long)until, host_boot));
}

enum ud_code ud_hold_end(struct ud_ctx *cx, ud_journal *journal, const char *vm_id)
{
	return ud_journal_note(cx, journal, ud_printf(cx->arena, PASS, vm_id), NULL);
}

static bool is_this_boot(const char *a, const char *b)
{
	return a && b && *b && strcmp(a, b) == 0;
}

/* ---- judging ---- */

struct judging {
	const char *uuid;
	bool found;
	struct ud_journal_vm vm;
};

static enum ud_code look(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct judging *j = data;

	if (!vm->uuid || strcmp(vm->uuid, j->uuid) != 0)
		return UD_OK;
	j->found = true;
	j->vm = *vm;
	j->vm.vm_id = ud_strdup(cx->arena, vm->vm_id);
	j->vm.host_boot = vm->host_boot ? ud_strdup(cx->arena, vm->host_boot) : NULL;
	return UD_OK;
}

static enum ud_code has_pass(struct ud_ctx *cx, ud_journal *journal, const struct judging *j,
	const char *host_boot, bool *ret)
{
	const char *word = NULL;
	char *boot = NULL;

	*ret = false;
	UD_TRY(ud_journal_noted(cx, journal, ud_printf(cx->arena, PASS, j->vm.vm_id), &word));
	if (!word)
		return UD_OK;
	long long until = strtoll(word, &boot, 10);

	*ret = *boot == ' ' && is_this_boot(host_boot, boot + 1) && until > ud_mono_ms(cx->env);
	return UD_OK;
}

static bool has_permit(struct ud_ctx *cx, const struct ud_journal_vm *vm, const char *host_boot)
{
	return vm->role == UD_VM_ROLE_PRIMARY && !vm->hold && vm->permit_ms != UD_NONE &&
		is_this_boot(host_boot, vm->host_boot) && vm->permit_ms > ud_mono_ms(cx->env);
}

enum ud_code ud_hold_judge(
	struct ud_ctx *cx, ud_journal *journal, const char *uuid, const char *host_boot)
{
	struct judging j = { .uuid = uuid };
	bool pass = false;

	UD_TRY(ud_journal_vm_visit(cx, journal, look, &j));
	if (!j.found || j.vm.role == UD_VM_ROLE_FREE || has_permit(cx, &j.vm, host_boot))
		return UD_OK;
	UD_TRY(has_pass(cx, journal, &j, host_boot, &pass));
	if (pass)
		return UD_OK;
	if (j.vm.role != UD_VM_ROLE_PRIMARY)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Understudy holds %s: this host is %s for it, and it may run elsewhere.",
			j.vm.vm_id, ud_vm_roles.names[j.vm.role]);
	return ud_fail(cx, UD_E_INVALID_STATE, NULL,
		"Understudy holds %s: it is started by `understudy vm start`, which asks whether it"
		" may run here.",
		j.vm.vm_id);
}

const char *ud_hold_uuid(struct ud_ctx *cx, const char *definition)
{
	static const char open[] = "<uuid>", close[] = "</uuid>";
	const char *from = strstr(definition, open), *to;

	if (!from)
		return NULL;
	from += sizeof(open) - 1;
	to = strstr(from, close);
	const char *uuid = to ? ud_strndup(cx->arena, from, (size_t)(to - from)) : NULL;

	return uuid && !ud_rule_uuid(cx, uuid) ? uuid : NULL;
}
