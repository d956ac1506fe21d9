/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that stands in a scripted hypervisor, as text.
 */
#include "support/scripted_inside.h"

static void tell_vm(struct ud_buf *b, const struct scripted_vm *vm)
{
	ud_buf_printf(b, "vm %s %s content %lld autostart %d limits %lld %lld %lld %lld",
		vm->m.uuid, ud_powers.names[vm->m.power], (long long)vm->content, vm->m.autostart,
		(long long)vm->limits.cpu_percent, (long long)vm->limits.cpu_weight,
		(long long)vm->limits.disk_iops, (long long)vm->limits.disk_bytes_per_second);
	if (vm->file_path)
		ud_buf_printf(
			b, " file %s %.*s", vm->file_path, (int)vm->file_n, (const char *)vm->file);
	if (vm->upgraded)
		ud_buf_puts(b, " upgraded");
	if (vm->test_id)
		ud_buf_printf(b, " test %s", vm->test_id);
	for (const struct scripted_checkpoint *c = vm->checkpoints; c; c = c->next)
		if (!c->gone)
			ud_buf_printf(b, " checkpoint %s %s", c->info.name, c->info.kind);
	ud_buf_putc(b, '\n');
}

static void tell_relation(struct ud_buf *b, const struct scripted_relation *r)
{
	const struct scripted_point *p = r->points;
	const struct scripted_point *from = r->points;

	while (p && p->gone)
		p = p->next;
	while (from && from->p.id != r->failed_over_to)
		from = from->next;
	ud_buf_printf(b, "relation %s %s %s wanted %s generation %lld epoch %lld",
		r->r.replication_id, ud_relation_roles.names[r->r.role],
		ud_replication_states.names[r->state], ud_relation_states.names[r->r.state],
		(long long)r->r.generation, (long long)r->r.epoch);
	if (p)
		ud_buf_printf(b, " newest %lld %s", (long long)p->content,
			ud_point_states.names[p->p.state]);
	if (from)
		ud_buf_printf(b, " brought up from %lld", (long long)from->content);
	if (r->divergent)
		ud_buf_printf(b, " kept %s", r->divergent);
	ud_buf_putc(b, '\n');
}

const char *scripted_digest(struct scripted *s)
{
	struct ud_buf b = { 0 };

	pthread_mutex_lock(&s->lock);
	ud_buf_printf(&b, "host balance %u %u team %s\n", s->balance.mode, s->balance.level,
		s->team ? s->team : "none");
	for (const struct scripted_vm *vm = s->vms; vm; vm = vm->next)
		if (!vm->gone)
			tell_vm(&b, vm);
	for (const struct scripted_relation *r = s->relations; r; r = r->next)
		if (!r->gone)
			tell_relation(&b, r);
	const char *text = ud_strdup(s->arena, ud_buf_text(&b));

	pthread_mutex_unlock(&s->lock);
	ud_buf_free(&b);
	return text;
}
