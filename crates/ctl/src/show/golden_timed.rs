//! Golden outputs of timed resources and what belongs to them. All times are within
//! the hour, where they are told without a time zone.

use tessera_types::Resource;

use super::describe::describe;
use super::{Beside, Detail, table};
use crate::fixture::{definition, exam, host, job, lab, now, pod, report, session, theory};
use crate::style::Style;
use crate::tree::Tree;

fn shown(resources: &[Resource]) -> String {
    let beside = &Beside::default().with_parts(&exam()).with_pods(&exam());
    let kind = resources[0].kind();
    table(kind, resources, Detail::default(), beside, now()).render(Style::PLAIN, None)
}

fn explained(resource: &Resource) -> String {
    let beside = Beside::default().with_pods(&exam());
    describe(resource, &beside, &Tree::of(exam()), Style::PLAIN, now())
}

#[test]
fn sessions_in_a_table() {
    let expected = "\
NAME    STATUS  START    END     PARTS  SCORE  OUTCOME  WAITING FOR
exam-1  Active  60s ago  in 20m  1/2    -      -        part lab: somebody's approval of theory
";
    assert_eq!(shown(&[session()]), expected);
}

#[test]
fn parts_in_a_table() {
    let expected = "\
NAME           SESSION  ORDER  STATUS      START    END      GATE       SCORE  OUTCOME    WAITING FOR
exam-1-theory  exam-1   1      Terminated  60s ago  30s ago  approval   7      completed
exam-1-lab     exam-1   2      Ready       in 4m    in 20m   score 6.5  -      -          somebody's approval of theory
";
    assert_eq!(shown(&[theory(), lab()]), expected);
}

#[test]
fn pods_in_a_table() {
    let expected = "\
NAME             STATUS        HOST  START  END     PORTS           TRY              WAITING FOR
exam-1-lab-desk  Provisioning  rack  in 4m  in 20m  7000-7001,7004  1 (backing off)  phase provision: the pause after try 1 of 3 (it exited with code 1)
";
    assert_eq!(shown(&[pod()]), expected);
}

#[test]
fn hosts_in_a_table() {
    let expected = "\
NAME  TYPE    STATUS  CPU    MEMORY      PODS  LOCATION  WAITING FOR
rack  server  Active  1.5/8  1GiB/16GiB  1     brussels
";
    assert_eq!(shown(&[host()]), expected);
}

#[test]
fn jobs_in_a_table() {
    let expected = "\
NAME                   STATUS     OWNER                      PHASE  TRY  SCORE  AGE  WAITING FOR
exam-1-theory-grade-1  Succeeded  sessionpart/exam-1-theory  grade  1    7/10   10m
";
    assert_eq!(shown(&[job()]), expected);
}

#[test]
fn reports_in_a_table() {
    let expected = "\
NAME                  STATUS    OWNER                      SCORE  PASSED  MADE     WAITING FOR
exam-1-theory-report  Complete  sessionpart/exam-1-theory  7/10   yes     35s ago
";
    assert_eq!(shown(&[report()]), expected);
}

#[test]
fn definitions_in_a_table() {
    let expected = "\
NAME  TYPE  VERSION  SOURCE  ORIGIN  AGE  TITLE
desk  desk  1.2.0    seed    seeded  10m  A desk
";
    assert_eq!(shown(&[definition()]), expected);
}

#[test]
fn a_session_explained() {
    let expected = "\
session/default/exam-1
  status        Active since 2026-05-01T08:59:00.000Z (60s)
  waits for     part lab: somebody's approval of theory
                since 2026-05-01T08:59:30.000Z (30s), decided by 2026-05-01T09:20:00.000Z (in 20m)
  desired       Active
  generation    1 (revision 7)
  labels        -
  id            0000000000000001
  created       2026-05-01T08:50:00.000Z (10m ago)

session
  definition    exam 1.2.0
  parts         theory, lab
  env           STUDENT

window
  provisioned   2026-05-01T08:57:00.000Z (3m ago)
  start         2026-05-01T08:59:00.000Z (60s ago)
  end           2026-05-01T09:20:00.000Z (in 20m)
  gone by       2026-05-01T09:21:00.000Z (in 21m)
  takes         21m
  started       2026-05-01T08:59:00.000Z (60s ago)

has
  ├─ sessionpart/exam-1-theory Terminated
  │  ├─ job/exam-1-theory-grade-1 Succeeded
  │  └─ report/exam-1-theory-report Complete
  └─ sessionpart/exam-1-lab Ready, waits for somebody's approval of theory
     └─ pod/exam-1-lab-desk Provisioning, waits for phase provision: the pause after try 1 of 3 (it exited with code 1)
        └─ workload/exam-1-lab-desk-web Running

history
  2026-05-01T08:50:00.000Z  Pending: created (api)
  2026-05-01T08:59:00.000Z  Pending → Active: its window is open (reconciler)
  2026-05-01T08:59:40.000Z  Active: its end is 5m later (api)
";
    assert_eq!(explained(&session()), expected);
}

#[test]
fn a_part_explained() {
    let expected = "\
sessionpart/default/exam-1-theory
  status        Terminated since 2026-05-01T08:59:00.000Z (60s)
  desired       Active
  generation    1 (revision 7)
  owner         session/exam-1
  labels        -
  id            0000000000000002
  created       2026-05-01T08:50:00.000Z (10m ago)

part
  definition    theory 1.2.0
  name          theory, number 1
  gate          approval
  on failure    abort
  on event      student.submitted: grade
  graded        2026-05-01T08:59:25.000Z (35s ago)
  score         7
  passed        yes

window
  provisioned   2026-05-01T08:57:00.000Z (3m ago)
  start         2026-05-01T08:59:00.000Z (60s ago)
  ended         2026-05-01T08:59:30.000Z (30s ago)
  gone by       2026-05-01T09:00:30.000Z (in 30s)
  takes         30s
  started       2026-05-01T08:59:00.000Z (60s ago)
  outcome       completed

phases
  grade         in Grading

has
  ├─ job/exam-1-theory-grade-1 Succeeded
  └─ report/exam-1-theory-report Complete
";
    assert_eq!(explained(&theory()), expected);
}

#[test]
fn a_pod_explained() {
    let expected = "\
pod/default/exam-1-lab-desk
  status        Provisioning since 2026-05-01T08:59:00.000Z (60s)
  waits for     phase provision: the pause after try 1 of 3 (it exited with code 1)
                since 2026-05-01T08:59:55.000Z (5s), decided by 2026-05-01T09:00:04.000Z (in 4s)
  desired       Active
  generation    1 (revision 7)
  owner         sessionpart/exam-1-lab
  labels        -
  id            0000000000000004
  created       2026-05-01T08:50:00.000Z (10m ago)

pod
  definition    desk 1.2.0
  type          fleet
  fact          url=http://desk
  host          rack
  holds it      2026-05-01T08:58:00.000Z to 2026-05-01T09:21:00.000Z
  cpu           1.5
  memory        1GiB
  counted       seats=2
  ports         7000-7001,7004

window
  provisioned   2026-05-01T09:02:00.000Z (in 2m)
  start         2026-05-01T09:04:00.000Z (in 4m)
  end           2026-05-01T09:20:00.000Z (in 20m)
  gone by       2026-05-01T09:21:00.000Z (in 21m)
  takes         16m

phases
  provision     try 1 of 3 backing off since 5s ago, again in 4s: it exited with code 1

has
  └─ workload/exam-1-lab-desk-web Running
";
    assert_eq!(explained(&pod()), expected);
}

#[test]
fn a_host_explained() {
    let expected = "\
host/rack
  status        Active since 2026-05-01T08:59:00.000Z (60s)
  desired       Active
  generation    1 (revision 7)
  labels        rack=7
  id            0000000000000009
  created       2026-05-01T08:50:00.000Z (10m ago)

host
  definition    server 1.2.0
  type          server
  takes         proxmox
  licences      gold
  location      brussels

capacity
  cpu           8, 1.5 held
  memory        16GiB, 1GiB held
  seats         20, 2 held
  ports         7000-7099, 3 held

window
  provisioned   2026-05-01T08:50:00.000Z (10m ago)
  start         2026-05-01T08:50:00.000Z (10m ago)
  end           never

bookings
  2m ago → in 21m  pod/default/exam-1-lab-desk: 1.5 cpu, 1GiB, seats=2, 3 ports
";
    assert_eq!(explained(&host()), expected);
}

#[test]
fn a_definition_explained_without_secrets() {
    let expected = "\
poddefinition/desk
  status        Available since 2026-05-01T08:59:00.000Z (60s)
  desired       Available
  generation    1 (revision 7)
  labels        -
  id            000000000000000a
  created       2026-05-01T08:50:00.000Z (10m ago)

definition
  type          desk
  version       1.2.0
  title         A desk
  source        seed
  origin        seeded

spec
  pod_type: fleet
  workloads:
    - name: web
      spec:
        command: web
        env:
          TOKEN: \"***\"
  provision:
    attempts_max: 3
    backoff:
      initial: 500ms
      max: 1m
      reset_after: 1m
    timeout: 15m
";
    assert_eq!(explained(&definition()), expected);
}

#[test]
fn what_others_say_is_left_out_where_it_is_not_known() {
    let detail = Detail { wide: true, namespaces: true };
    for (resource, told) in [(session(), "  2      "), (host(), "  8    16GiB   -     ")] {
        let table = table(resource.kind(), &[resource], detail, &Beside::default(), now());
        let text = table.render(Style::PLAIN, None);
        assert!(text.contains(told), "{text}");
        // Exact times, as the table is wide.
        assert!(!text.contains(" in "), "{text}");
    }
}

#[test]
fn a_tree_in_a_table() {
    let expected = "\
NAME                                   STATUS        ON                   START    END      SCORE  OUTCOME    WAITING FOR
session/exam-1                         Active        -                    60s ago  in 20m   -      -          part lab: somebody's approval of theory
├─ sessionpart/exam-1-theory           Terminated    -                    60s ago  30s ago  7      completed
│  ├─ job/exam-1-theory-grade-1        Succeeded     -                    -        -        7/10   -
│  └─ report/exam-1-theory-report      Complete      -                    -        -        7/10   -
└─ sessionpart/exam-1-lab              Ready         -                    in 4m    in 20m   -      -          somebody's approval of theory
   └─ pod/exam-1-lab-desk              Provisioning  rack:7000-7001,7004  in 4m    in 20m   -      -          phase provision: the pause after try 1 of 3 (it exited with code 1)
      └─ workload/exam-1-lab-desk-web  Running       node-a               -        -        -      -
";
    let table = super::tree::table(&[session()], &Tree::of(exam()), Detail::default(), now());
    assert_eq!(table.render(Style::PLAIN, None), expected);
}
