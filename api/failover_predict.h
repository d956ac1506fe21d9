/* SPDX-License-Identifier: Apache-2.0 */
/* What a failover is expected to cost, and what its guests are to be given; told by dry runs. */
#ifndef API_FAILOVER_PREDICT_H
#define API_FAILOVER_PREDICT_H

#include "api/failover_plan.h"

/* What the times are learnt from. */
enum ud_predicted_basis { UD_PREDICTED_ASSUMED, UD_PREDICTED_CUSTOMER, UD_PREDICTED_SAME_VMS };
extern const struct ud_enum ud_predicted_bases;

/*
 * Time and age with an interval each (base/prediction.h). From 19 earlier runs of the same VMs and
 * kind on, else of the customer's of that kind, it holds with 90 %. With fewer it reaches over
 * those there are and over what is assumed without any, and confidence_percent says how sure that
 * is by the runs alone.
 */
struct ud_predicted {
	/* age of the data it would go on with; UD_NONE = not known */
	int64_t rpo_seconds, rpo_low_seconds, rpo_high_seconds;
	int64_t rto_seconds, rto_low_seconds, rto_high_seconds;
	int64_t downtime_seconds, downtime_low_seconds, downtime_high_seconds;
	const char *data_loss;
	unsigned basis;             /* enum ud_predicted_basis: of the intervals */
	int64_t runs;               /* earlier ones that they are learnt from */
	int64_t confidence_percent; /* that a run lies in them, at least */
	int64_t graded_runs;        /* of those: with an interval predicted for their time */
	int64_t held_runs;          /* of these: it held */
	struct ud_json addresses;   /* of the shape below; NULL = told before there were any */
};
/* A card of a VM that addresses are kept for where it comes up. Cards without any are not named:
 * they keep what the guest has. */
struct ud_predicted_card {
	const char *vm_id, *name, *mac;
	struct ud_texts addresses, gateways, dns; /* as set_addresses takes them */
};
extern const struct ud_shape ud_predicted_shape, ud_predicted_card_shape;

/* Predict a run of these VMs into f->predicted. age_ms: of the oldest of their newest points;
 * UD_NONE = not known. The caller has read the VMs with its scope. */
enum ud_code ud_failover_predict(struct ud_ctx *cx, struct ud_failover *f,
	const struct ud_plan_vm *vms, size_t n, int64_t age_ms) UD_USE;
/* Read a prediction and its cards. */
enum ud_code ud_predicted_read(struct ud_ctx *cx, const char *text, struct ud_predicted *ret,
	const struct ud_predicted_card **ret_cards, size_t *ret_n) UD_USE;

#endif
