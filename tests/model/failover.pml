/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.pml - Promela model of Understudy's failover protocol.
 *
 * One protected VM, two hosts (A = 0 first primary, B = 1 replica), one control
 * plane (CP: any number of stateless server instances over ONE database; every
 * CP action below is one database transaction, so which instance runs it does
 * not matter), one customer, and a fault process with a budget.
 *
 *   spin -a [-D...] failover.pml && gcc -O2 -DCOLLAPSE -DSAFETY -o pan pan.c
 *   ./pan -m1000000           safety: all assertions
 *   spin -a -DLIVE ...; gcc -O2 -DCOLLAPSE -DNFAIR=5 ...; ./pan -a -f   liveness, weak fairness
 *
 * Policies  -DLEASE   primary keeps running only under a lease from CP or peer
 *           -DATTEST  no lease; staff (or a fence device) attest "A is off"
 * Options   -DF=n     fault budget        -DDRIFT  holder clock may be slow
 *           -DM=n     grantor's margin    -DBG     break-glass failover on B
 *           -DLIAR    attestation may be wrong (ATTEST only)
 *           -DCUST    with the customer's request/ack (else the ticket is there)
 *           -DPLANNEDONLY / -DUNPLANNEDONLY  fixes the kind (smaller state)
 *           -DROLLBACK the CP database may be restored from an old backup, once
 *           -DTWICE   an aborted workflow is started a second time
 * Mutants (each must FAIL, else the checks are empty):
 *   -DMUT_RECEIPT lease counted from receipt, not from sending the request
 *   -DMUT_NOWAIT  CP commits the new epoch without waiting its own grants out
 *   -DMUT_NOPEERWAIT the peer's grants are not waited out
 *   -DMUT_AUTOSTART hypervisor starts the VM at host boot
 *   -DMUT_NOSEQ   agents accept commands with an old sequence number
 *   -DMUT_NOSYNC  planned failover skips the final sync
 *   -DMUT_ACKFIRST ticket acknowledged before it is committed
 *   -DMUT_NOTIMEOUT steps have no timeout
 *   -DMUT_CPONLY  (BG) boot start allowed with CP's word alone
 *   -DMUT_NOJOURNAL agent acts before journalling (crash forgets the command)
 *   -DMUT_STALEREPLY a pending reply is sent under the next command's number
 *   -DMUT_NORECOV (ROLLBACK) restored CP trusts its old database at once
 *   -DMUT_ABORTLATE the abort path may also be taken after the epoch commit
 */
#define A 0
#define B 1
#ifndef L
#define L 1
#endif
#ifndef M
#define M 2
#endif
#ifndef F
#define F 2
#endif
#ifndef W
#define W 1
#endif
#ifndef RETRY
#define RETRY 0
#endif
#define IDLE 15

/* roles, steps, commands, replies */
#define REPLICA 0
#define PRIMARY 1

#define S_NONE    0
#define S_STOP    1   /* planned: stop VM on A, hold                     */
#define S_SYNC    2   /* planned: final delta A -> B, published on B     */
#define S_FENCE   3   /* unplanned: grants cut, wait them out / attested */
#define S_PROMOTE 4   /* epoch committed to B; B must start              */
#define S_DEMOTE  5   /* A told its epoch is over (best effort, bounded) */
#define S_ABORT   6   /* compensation: A may run again                   */
#define S_DONE    7
#define S_ABORTED 8
#define S_STAFF   9   /* automation ended, a person decides              */

#define C_NONE    0
#define C_STOP    1
#define C_SYNC    2
#define C_FENCE   3
#define C_PROMOTE 4
#define C_DEMOTE  5
#define C_RESUME  6

#define R_NONE 0   /* nothing                */
#define R_OK   1   /* grant in flight        */
#define R_GOT  2   /* grant received         */
#define R_NACK 3   /* 'newer epoch' in flight */
#define okcp(h)   (repcp[h] == R_GOT)
#define okpeer(h) (reppeer[h] == R_GOT)

/* ---------------- durable: control-plane database ---------------- */
byte db_epoch = 1;
bit  db_owner = A;
byte step = S_NONE;
bit  planned;
byte vseq = 0;            /* per-VM command sequence, monotonic             */
bit  db_ticket = 0;
byte tries = 0;
bit  fence_res = 0;       /* B reported that its own grants ran out         */
bit  attested = 0;
bit  recov = 0;           /* CP restored from a backup: learns epochs first  */
bit  seen[2] = 0; bit rolled = 0;

/* ---------------- durable: agent journals ------------------------ */
byte jepoch[2] = 1;
bit  jrole[2];            /* A: PRIMARY, set in init                        */
byte jseq[2] = 0;         /* highest command sequence accepted              */
byte jcmd[2] = 0;
bit  jdone[2] = 1;        /* result of jcmd journalled                      */
bit  jhold[2] = 0;        /* stopped by a workflow: do not start            */
bit  jfence[2] = 0;       /* promise: no more grants to the peer            */
bit  jfast[2] = 0;        /* PROMOTE said: peer fenced, CP's word is enough */
bit  jbg[2] = 0;          /* running by break-glass, not yet reconciled     */
byte disk[2] = 0;         /* set of writes (bits) on the host's copy        */

/* ---------------- volatile ---------------------------------------- */
bit  hostup[2] = 1;
bit  agup[2] = 1;
bit  vm[2] = 0;
bit  cpup = 1;
bit  needrep[2] = 0;
byte age[2] = IDLE;       /* age of the outstanding lease request           */
byte repcp[2] = R_NONE;   /* lease replies in flight                        */
byte reppeer[2] = R_NONE;
byte lease[2] = 0;        /* holder's view, armed in the watchdog           */
byte gcp[2] = 0;          /* grantor's view: CP  (persisted or reset to max)*/
byte gpeer[2] = 0;        /* grantor's view: the peer of h                  */
bit  slow[2] = 0;         /* this lease's one slow tick was used            */

/* network: one slot each way; link 0 = CP-A, 1 = CP-B, 2 = A-B           */
bit  cut[3] = 0;
byte ctype[2] = C_NONE; byte cep[2]; byte cseq[2];
byte rseq[2] = 0;         /* result slot: 0 empty, else sequence number     */
byte ltype = C_NONE; byte lep; byte lseq; bit lto;   /* one late copy, delivered out of order */

/* customer, ghosts */
byte cust = 0;            /* 0 idle 1 waiting 2 acknowledged                */
bit  req = 0; bit ack = 0; bit pend = 0;
byte tickets = 0;
bit  again = 0;
byte commits = 0;
byte wcount = 0;
byte faults = F;
bit  bgused = 0;
bit  dual = 0;            /* two VMs running now                            */

#define TERMINAL (step == S_DONE || step == S_ABORTED || step == S_STAFF)

inline vm_start(h) {
    vm[h] = 1;
#ifdef LIAR
    dual = (vm[0] && vm[1]);
#else
    assert(!(vm[0] && vm[1]));            /* never two primaries            */
#endif
}
inline vm_stop(h) { vm[h] = 0; dual = 0; lease[h] = 0; slow[h] = 0 }

inline clear_volatile(h) {
    needrep[h] = 0; age[h] = IDLE;
    repcp[h] = R_NONE; reppeer[h] = R_NONE
}

/* ------------------------------------------------------------------ */
proctype Customer() {
end:
    do
    :: atomic { cust == 0 -> req = 1; cust = 1 }
    :: atomic { cust == 1 && ack -> ack = 0; cust = 2 }
    :: atomic { cust == 1 && !req && !ack -> req = 1 }     /* retry, same key */
    od
}

/* target of the current step's command */
#define TGT   ((step==S_FENCE || step==S_PROMOTE) -> B : A)
#define CMD   ((step==S_STOP)->C_STOP:((step==S_SYNC)->C_SYNC:((step==S_FENCE)->C_FENCE:((step==S_PROMOTE)->C_PROMOTE:((step==S_DEMOTE)->C_DEMOTE:C_RESUME)))))
#define ACTIVE (step >= S_STOP && step <= S_ABORT)

proctype CP() {
end:
    do
    /* customer's request: dedup by idempotency key, commit, then ack     */
    :: atomic { cpup && req && !ack ->
        req = 0;
#ifdef MUT_ACKFIRST
        if :: db_ticket || pend -> skip :: else -> pend = 1 fi;
        ack = 1;
#else
        if
        :: db_ticket -> skip
        :: else -> db_ticket = 1; tickets++; assert(tickets == 1)
        fi;
        ack = 1;
#endif
       }
#ifdef MUT_ACKFIRST
    :: atomic { cpup && pend -> pend = 0; db_ticket = 1; tickets++ }
#endif
    /* ticket becomes a workflow                                          */
    :: atomic { cpup && db_ticket && step == S_NONE && db_owner == A && !recov ->
        vseq++;
        if
#ifndef UNPLANNEDONLY
        :: planned = 1; step = S_STOP
#endif
#ifndef PLANNEDONLY
        :: planned = 0; step = S_FENCE
#endif
        fi }
    :: atomic { cpup && db_ticket && step == S_NONE && db_owner == B && !recov -> step = S_DONE }
#ifdef ROLLBACK
    /* recovery after a restore: every agent's journal is asked before any
       grant, any command, any new workflow; the highest epoch wins          */
    :: atomic { cpup && recov && !seen[A] && hostup[A] && agup[A] && !cut[0] -> seen[A] = 1;
        if :: jepoch[A] > db_epoch -> db_epoch = jepoch[A]; if :: jrole[A] == PRIMARY -> db_owner = A :: else -> db_owner = B fi
           :: else -> skip fi }
    :: atomic { cpup && recov && !seen[B] && hostup[B] && agup[B] && !cut[1] -> seen[B] = 1;
        if :: jepoch[B] > db_epoch || (jepoch[B] == db_epoch && jrole[B] == PRIMARY) ->
              db_epoch = jepoch[B]; if :: jrole[B] == PRIMARY -> db_owner = B :: else -> db_owner = A fi
           :: else -> skip fi }
    :: atomic { cpup && recov && seen[A] && seen[B] -> recov = 0; seen[A] = 0; seen[B] = 0 }
#endif
#ifdef TWICE
    /* an aborted workflow may be asked for again, once                   */
    :: atomic { cpup && step == S_ABORTED && !again -> again = 1; step = S_NONE; tries = 0 }
#endif
    /* (re)send the command of the current step                           */
    :: atomic { cpup && ACTIVE && ctype[TGT] == C_NONE && rseq[TGT] == 0 && !cut[TGT] ->
        ctype[TGT] = CMD; cseq[TGT] = vseq; cep[TGT] = db_epoch }
    /* results                                                            */
    :: atomic { cpup && rseq[A] != 0 ->
        if
        :: rseq[A] == vseq && step == S_STOP ->
#ifdef MUT_NOSYNC
            db_epoch++; commits++; db_owner = B; vseq++; step = S_PROMOTE; tries = 0
#else
            vseq++; step = S_SYNC; tries = 0
#endif
        :: rseq[A] == vseq && step == S_SYNC ->
            db_epoch++; commits++; db_owner = B; vseq++; step = S_PROMOTE; tries = 0
        :: rseq[A] == vseq && step == S_DEMOTE -> step = S_DONE
        :: rseq[A] == vseq && step == S_ABORT -> step = S_ABORTED
        :: else -> skip
        fi;
        rseq[A] = 0 }
    :: atomic { cpup && rseq[B] != 0 ->
        if
        :: rseq[B] == vseq && step == S_FENCE -> fence_res = 1
        :: rseq[B] == vseq && step == S_PROMOTE -> vseq++; step = S_DEMOTE; tries = 0
        :: else -> skip
        fi;
        rseq[B] = 0 }
#ifdef LEASE
    /* all grants have run out: A cannot be running. Commit the epoch.    */
    :: atomic { cpup && step == S_FENCE &&
#ifndef MUT_NOPEERWAIT
        fence_res &&
#endif
#ifndef MUT_NOWAIT
        gcp[A] == 0 &&
#endif
        db_owner == A -> db_epoch++; commits++; db_owner = B; vseq++; step = S_PROMOTE; tries = 0 }
#endif
#ifdef ATTEST
    :: atomic { cpup && step == S_FENCE && attested &&
#ifndef MUT_NOWAIT
        gcp[A] == 0 &&
#endif
        db_owner == A -> db_epoch++; commits++; db_owner = B; vseq++; step = S_PROMOTE; tries = 0 }
#endif
    od
}

/* the same server, another thread of it: leases and permissions to start */
proctype CPGrant() {
end:
    do
    /* lease / start permission: one transaction reads epoch and grants   */
    :: atomic { cpup && age[A] != IDLE && repcp[A] == R_NONE && !cut[A] && !recov ->
        if
        :: db_owner == A && jepoch[A] == db_epoch && (step != S_FENCE) -> gcp[A] = L + M; repcp[A] = R_OK
        :: db_epoch > jepoch[A] -> repcp[A] = R_NACK
        :: else -> skip
        fi }
    :: atomic { cpup && age[B] != IDLE && repcp[B] == R_NONE && !cut[B] && !recov ->
        if
        :: db_owner == B && jepoch[B] == db_epoch -> repcp[B] = R_OK
        :: db_epoch > jepoch[B] -> repcp[B] = R_NACK
#ifdef BG
        /* reconcile a break-glass epoch: adopt it, end the workflow      */
        :: jbg[B] && jepoch[B] == db_epoch + 1 ->
            db_epoch++; db_owner = B; commits++;
            if :: ACTIVE -> vseq++; step = S_DONE :: else -> skip fi;
            repcp[B] = R_OK
#endif
        :: else -> skip
        fi }
    od
}

/* liveness only: when CP can be reached, its answer comes within the round */
#if defined(LIVE) || defined(LIVEDUAL)
#define ROUND_CUT(h) (!cpup || cut[h] || okcp(h))
#else
#define ROUND_CUT(h) 1
#endif

/* step timeouts: before the commit -> compensate; after it -> staff      */
proctype Timeouts() {
end:
    do
#ifndef MUT_NOTIMEOUT
    :: atomic { cpup && ACTIVE ->
        if
        :: tries < RETRY -> tries++
        :: else ->
            tries = 0;
            if
            :: step == S_STOP || step == S_SYNC -> vseq++; step = S_ABORT
            :: step == S_FENCE   -> step = S_STAFF
#ifdef MUT_ABORTLATE
            :: step == S_PROMOTE -> db_owner = A; db_epoch++; commits++; vseq++; step = S_ABORT
#endif
            :: step == S_PROMOTE -> step = S_STAFF
            :: step == S_DEMOTE  -> step = S_DONE    /* A gets it when it returns */
            :: step == S_ABORT   -> step = S_STAFF
            fi
        fi }
#else
    :: false
#endif
    od
}

#ifdef ATTEST
proctype Staff() {
end:
    do
#ifdef LIAR
    :: atomic { step == S_FENCE && !attested -> attested = 1 }
#else
    /* truthful: the host is off at this moment (it may boot right after) */
    :: atomic { step == S_FENCE && !attested && !hostup[A] -> attested = 1 }
#endif
    od
}
#endif

/* ------------------------------------------------------------------ */
proctype Agent(bit h) {
end:
    do
    /* receive a command: journal the intent                              */
    :: atomic { hostup[h] && agup[h] && ctype[h] != C_NONE && !cut[h] ->
        if
#ifndef MUT_NOSEQ
        :: cseq[h] < jseq[h] -> skip
#endif
        :: cseq[h] == jseq[h] -> if :: jdone[h] -> needrep[h] = 1 :: else -> skip fi
#ifdef MUT_NOSEQ
        :: cseq[h] != jseq[h] ->
#else
        :: cseq[h] > jseq[h] ->
#endif
            jseq[h] = cseq[h]; jcmd[h] = ctype[h]; jdone[h] = 0;
#ifndef MUT_STALEREPLY
            needrep[h] = 0;   /* a reply belongs to ONE sequence: found by this model */
#endif
            if :: ctype[h] == C_PROMOTE || ctype[h] == C_DEMOTE ->
                  if :: cep[h] >= jepoch[h] -> jepoch[h] = cep[h]
                     :: else -> jdone[h] = 1; jcmd[h] = 0   /* refused: older epoch */
                  fi
               :: else -> skip fi
        fi;
        if :: skip
           :: faults > 0 && ltype == C_NONE ->  /* the network keeps a copy  */
              faults--; ltype = ctype[h]; lep = cep[h]; lseq = cseq[h]; lto = h
        fi;
        ctype[h] = C_NONE; cep[h] = 0; cseq[h] = 0 }
    :: atomic { ltype != C_NONE && lto == h && ctype[h] == C_NONE ->
        ctype[h] = ltype; cep[h] = lep; cseq[h] = lseq;
        ltype = C_NONE; lep = 0; lseq = 0; lto = 0 }

    /* execute what the journal says (idempotent)                         */
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_STOP ->
        vm_stop(h); jhold[h] = 1; jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_SYNC && !cut[2] && hostup[1-h] && agup[1-h] && !vm[h] &&
        jrole[1-h] == REPLICA && jepoch[1-h] <= jepoch[h] ->      /* checked by the RECEIVER */
        assert(!vm[1-h]); disk[1-h] = disk[h]; jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_FENCE && !jfence[h] -> jfence[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_FENCE && jfence[h] && gpeer[1-h] == 0 ->
        jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_PROMOTE && jrole[h] == REPLICA ->
        jrole[h] = PRIMARY; jhold[h] = 0; jfast[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_PROMOTE && jrole[h] == PRIMARY && vm[h] ->
        jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_DEMOTE ->
        vm_stop(h); jrole[h] = REPLICA; jhold[h] = 0; jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    :: atomic { hostup[h] && agup[h] && !jdone[h] && jcmd[h] == C_RESUME ->
        jhold[h] = 0; jdone[h] = 1; jcmd[h] = 0; needrep[h] = 1 }
    /* result                                                             */
    :: atomic { hostup[h] && agup[h] && needrep[h] && rseq[h] == 0 && !cut[h] &&
#ifndef MUT_STALEREPLY
        jdone[h] &&
#endif
        1 -> rseq[h] = jseq[h]; needrep[h] = 0 }

    od
}

/* the agent's second thread: leases, starting and stopping by them, the guest */
proctype AgentLease(bit h) {
end:
    do
    /* ask for a lease / for permission to start                          */
    :: atomic { hostup[h] && agup[h] && age[h] == IDLE && jrole[h] == PRIMARY && !jhold[h] &&
        (h == A || !vm[B] || jbg[B]) ->      /* one failover: B's own renewals add nothing */
        age[h] = 0; repcp[h] = R_NONE; reppeer[h] = R_NONE }
    /* the peer as second grantor                                         */
    :: atomic { hostup[h] && agup[h] && age[1-h] != IDLE && reppeer[1-h] == R_NONE && !cut[2] ->
        if
        :: jepoch[h] > jepoch[1-h] -> reppeer[1-h] = R_NACK
        :: jepoch[h] <= jepoch[1-h] && !vm[h] && (!jfence[h] || jepoch[1-h] > 1) ->
            if :: h == B -> gpeer[A] = L + M :: else -> skip fi; reppeer[1-h] = R_OK
        :: else -> skip
        fi }
    /* answers                                                            */
    :: atomic { hostup[h] && agup[h] && age[h] != IDLE && (repcp[h] == R_NACK || reppeer[h] == R_NACK) ->
        vm_stop(h); jrole[h] = REPLICA; jfast[h] = 0; lease[h] = 0;      /* a newer epoch exists */
        clear_volatile(h) }
    :: atomic { hostup[h] && agup[h] && age[h] != IDLE && repcp[h] == R_OK ->
        repcp[h] = R_GOT; jbg[h] = 0;
        if :: vm[h] && h == A ->
#ifdef MUT_RECEIPT
            lease[h] = L; slow[h] = 0
#else
            if :: L - age[h] > lease[h] -> lease[h] = L - age[h]; slow[h] = 0 :: else -> skip fi
#endif
           :: else -> skip fi }
    :: atomic { hostup[h] && agup[h] && age[h] != IDLE && reppeer[h] == R_OK ->
        reppeer[h] = R_GOT;
        if :: vm[h] && h == A ->
#ifdef MUT_RECEIPT
            lease[h] = L; slow[h] = 0
#else
            if :: L - age[h] > lease[h] -> lease[h] = L - age[h]; slow[h] = 0 :: else -> skip fi
#endif
           :: else -> skip fi }
    /* start: CP's word, and the peer's too when break-glass is allowed   */
    :: atomic { hostup[h] && agup[h] && !vm[h] && jrole[h] == PRIMARY && !jhold[h] && age[h] != IDLE && age[h] < L &&
#if defined(BG) && !defined(MUT_CPONLY)
        (okpeer(h) || jfast[h]) &&
#endif
        okcp(h) ->
        if :: h == B && planned && commits == 1 && !bgused -> assert((disk[A] & disk[B]) == disk[A]) /* planned: no write lost */
           :: else -> skip fi;
        jfast[h] = 0;
#ifdef MUT_RECEIPT
        if :: h == A -> lease[A] = L :: else -> skip fi;
#else
        if :: h == A -> lease[A] = L - age[A] :: else -> skip fi;
#endif
        slow[h] = 0;
        vm_start(h) }
    /* round over: next one                                               */
    :: atomic { hostup[h] && agup[h] && age[h] != IDLE && ((age[h] >= L && ROUND_CUT(h)) || (vm[h] && okcp(h) && okpeer(h))) ->
        age[h] = IDLE; repcp[h] = R_NONE; reppeer[h] = R_NONE }

    /* guest writes; replication of the published copy                    */
    :: atomic { vm[h] && wcount < W -> disk[h] = disk[h] | (1 << wcount); wcount++ }
    :: atomic { vm[h] && hostup[h] && agup[h] && !cut[2] && hostup[1-h] && agup[1-h] && disk[1-h] != disk[h] &&
        jrole[1-h] == REPLICA && jepoch[1-h] <= jepoch[h] && !vm[1-h] &&
        (disk[1-h] & disk[h]) == disk[1-h] ->          /* never over divergent data */
        disk[1-h] = disk[h] }
    od
}

#ifdef BG
/* a person on host B: CP not reachable, A is off (true when said)        */
proctype BreakGlass() {
end:
    do
    :: atomic { !bgused && hostup[B] && agup[B] && jrole[B] == REPLICA && jdone[B] && (!cpup || cut[1]) && !hostup[A] ->
        bgused = 1; jepoch[B]++; jrole[B] = PRIMARY; jfence[B] = 1; jbg[B] = 1; jhold[B] = 0;
        vm_start(B) }
    od
}
#endif

/* ------------------------------------------------------------------ */
#ifdef LEASE
/* independent of the agent: hardware watchdog / lease guard              */
proctype Watchdog() {
end:
    do
    :: atomic { vm[A] && lease[A] == 0 && !jbg[A] -> vm_stop(A) }
    od
}
#define CALM(h) (h == B || !vm[h] || lease[h] > 0)
#else
#define CALM(h) 1
#endif

inline dec(v) { if :: v > 0 -> v-- :: else -> skip fi }
inline tick_lease(h) {
    if
    :: lease[h] > 0 -> lease[h]--
#ifdef DRIFT
    :: lease[h] > 0 && !slow[h] -> slow[h] = 1
#endif
    :: lease[h] == 0 -> skip
    fi
}
proctype Time() {
end:
    do
    :: atomic { CALM(A) && CALM(B) && (lease[A] > 0 || gcp[A] > 0 || gpeer[A] > 0 ||
                (age[A] < L) || (age[B] < L)) ->
        tick_lease(A);
        dec(gcp[A]); dec(gpeer[A]);
        if :: age[A] < L -> age[A]++ :: else -> skip fi;
        if :: age[B] < L -> age[B]++ :: else -> skip fi }
    od
}

proctype Faults() {
end:
    do
    :: atomic { faults > 0 && hostup[A] -> faults--; hostup[A] = 0; vm_stop(A); lease[A] = 0; clear_volatile(A) }
    :: atomic { faults > 0 && hostup[B] -> faults--; hostup[B] = 0; vm_stop(B); gpeer[A] = (gpeer[A] > 0 -> L + M : 0); clear_volatile(B) }
    :: atomic { faults > 0 && hostup[A] && agup[A] -> faults--; agup[A] = 0; clear_volatile(A) }
    :: atomic { faults > 0 && hostup[B] && agup[B] -> faults--; agup[B] = 0; clear_volatile(B) }
    :: atomic { faults > 0 && cpup -> faults--; cpup = 0; pend = 0; req = 0;
        gcp[A] = (gcp[A] > 0 -> L + M : 0) }
#ifdef ROLLBACK
    /* the control plane itself is lost and restored from an old backup;
       generation bump = vseq goes on upward                                */
    :: atomic { faults > 0 && !rolled && step != S_NONE -> faults--; rolled = 1;
        db_epoch = 1; db_owner = A; step = S_NONE; tries = 0; attested = 0; fence_res = 0; vseq++;
        gcp[A] = L + M;
#ifndef MUT_NORECOV
        recov = 1
#endif
        }
#endif
    :: atomic { faults > 0 && !cut[0] -> faults--; cut[0] = 1 }
    :: atomic { faults > 0 && !cut[1] -> faults--; cut[1] = 1 }
    :: atomic { faults > 0 && !cut[2] -> faults--; cut[2] = 1 }
    :: atomic { faults > 0 && rseq[A] != 0 -> faults--; rseq[A] = 0 }
    :: atomic { faults > 0 && rseq[B] != 0 -> faults--; rseq[B] = 0 }
    :: atomic { faults > 0 && ack && cust == 1 -> faults--; ack = 0 }
    od
}
/* repairs cost nothing; a separate process, so fairness makes them happen */
proctype Repairs() {
end:
    do
    :: atomic { !hostup[A] -> hostup[A] = 1; agup[A] = 1;
#ifdef MUT_AUTOSTART
        if :: jrole[A] == PRIMARY -> lease[A] = L; vm_start(A) :: else -> skip fi
#endif
       }
    :: atomic { !hostup[B] -> hostup[B] = 1; agup[B] = 1 }
    :: atomic { !agup[A] -> agup[A] = 1;
#ifdef MUT_NOJOURNAL
        jseq[A] = 0; jdone[A] = 1; jcmd[A] = 0; jhold[A] = 0
#endif
       }
    :: atomic { !agup[B] -> agup[B] = 1 }
    :: atomic { !cpup -> cpup = 1 }
    :: atomic { cut[0] -> cut[0] = 0 }
    :: atomic { cut[1] -> cut[1] = 0 }
    :: atomic { cut[2] -> cut[2] = 0 }
    od
}

init {
    atomic {
        jrole[A] = PRIMARY; jrole[B] = REPLICA;
        vm[A] = 1; lease[A] = L; gcp[A] = L + M;
#ifdef CUST
        run Customer();
#else
        db_ticket = 1;
#endif
        run CP(); run CPGrant(); run Timeouts();
        run Agent(A); run Agent(B); run AgentLease(A); run AgentLease(B);
#ifdef ATTEST
        run Staff();
#endif
#ifdef BG
        run BreakGlass();
#endif
#ifdef LEASE
        run Watchdog();
#endif
        run Time(); run Faults(); run Repairs()
    }
}

#ifdef LIVE
/* an acknowledged ticket always reaches a terminal state                 */
ltl live_ticket { [] ((cust == 2) -> <> TERMINAL) }
#endif
#ifdef LIVEDUAL
/* even after a wrong attestation the second primary goes away            */
ltl live_dual { [] (dual -> <> !dual) }
#endif
