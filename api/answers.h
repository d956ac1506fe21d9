/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapes of answers that are written from more than one row: for the specification, and with it
 * for the command line and everybody else who reads by it. Those that are rows have their table in
 * db/.
 */
#ifndef API_ANSWERS_H
#define API_ANSWERS_H

#include "base/shape.h"

/* An item of the log as events show it (events.c). */
extern const struct ud_shape ud_event_shape;

/* What a customer has bought; one of these per feature. */
extern const struct ud_shape ud_feature_shape;
/* The picture of an installation, and figures of a VM or a host every ten seconds. */
extern const struct ud_shape ud_topology_shape, ud_figures_shape;
/* A plan as it was, and what stands in its way. */
extern const struct ud_shape ud_plan_version_shape, ud_plan_diff_shape, ud_plan_readiness_shape;
/* Steps of a failover, and the lines of its log. */
extern const struct ud_shape ud_step_shape, ud_line_shape;
/* The sealed record of a run, what checking it found, and the keys that it may be sealed with. */
extern const struct ud_shape ud_bundle_shape, ud_bundle_report_shape, ud_signing_key_shape;
/* The keys that an agent signs with. */
extern const struct ud_shape ud_statement_key_shape;
/* What of a block is taken. */
extern const struct ud_shape ud_block_map_shape;
/* Who looks at a ticket. */
extern const struct ud_shape ud_viewer_shape;
/* What an operation made. */
extern const struct ud_shape ud_result_shape;
/* What the newest copy of the database says of itself. */
extern const struct ud_shape ud_backup_status_shape;
/* What a search found. */
extern const struct ud_shape ud_finding_shape;
/* What the server says of itself. */
extern const struct ud_shape ud_health_shape, ud_readiness_shape, ud_version_shape;
extern const struct ud_shape ud_specification_shape;

#endif
