#!/usr/bin/env bash
# Removes exactly what install_log_forwarding_kinesis.sh added, once everything has been delivered. See --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cluster.sh"
# shellcheck source-path=SCRIPTDIR source=lib/collector_wiring.sh
source "$LIB/collector_wiring.sh"

usage() {
  cat <<'TEXT'
Disconnects the collector, waits until the forwarder has delivered everything, and removes the forwarder. Changes that
others made meanwhile stay.

usage: uninstall_log_forwarding_kinesis.sh [options]

Environment:
  NAMESPACE    namespace of the forwarder   (openshift-logging)

Options:
  --timeout T        maximum time to wait until nothing is pending   (10m)
  --discard-pending  delete volumes even if they hold undelivered events or dead letters
  --dry-run          print what it would do, change nothing
  --help

If a volume still holds events, the script keeps and names it, and exits with 1. Install again to deliver the
events, or run this script with --discard-pending.

Examples:
  ./scripts/uninstall_log_forwarding_kinesis.sh --dry-run
  ./scripts/uninstall_log_forwarding_kinesis.sh --timeout 30m
TEXT
}

PENDING_TIMEOUT=600 DISCARD=""
LEFT=()        # pods, or volumes without one, that still hold something
CONNECTED=()   # of these, those that only a sender of others is connected to

parse_arguments() {
  while (($#)); do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --discard-pending) DISCARD=1 ;;
      --timeout) (($# > 1)) || usage_error "$1 needs a value"; PENDING_TIMEOUT=$(seconds_of "$2"); shift ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
}

claims() {
  kube get pvc -n "$NAMESPACE" -l "$SELECTOR" -o json |
    jq -r '.items[] | select(.status.phase == "Bound") | .metadata.name'
}
all_claims() { kube get pvc -n "$NAMESPACE" -l "$SELECTOR" -o name; }

# Volumes that a scale-down left behind get their pods back: that is how what they hold is delivered.
scale_to_all_volumes() {
  local replicas highest wanted
  replicas=$(get statefulset "$NAME" "$NAMESPACE" | jq '.spec.replicas // 0')
  highest=$(claims | sed 's/.*-//' | sort -n | tail -n 1)
  wanted=$((${highest:--1} + 1))
  ((wanted > replicas)) || wanted=$replicas
  if [[ -n $DRY_RUN ]]; then say "would run $wanted pods until nothing is pending"; return; fi
  # The autoscaler would scale down again.
  kube delete hpa "$NAME" -n "$NAMESPACE" --ignore-not-found >/dev/null
  ((wanted == replicas)) || kube scale "statefulset/$NAME" -n "$NAMESPACE" --replicas "$wanted" >/dev/null
  ORDINALS=$wanted
}

# Sets LEFT. A pod whose figures cannot be read counts as holding something, unless nothing ever sent to it. One
# that a sender is still connected to may hold something the moment after it was asked.
find_left() {
  local ordinal pod pending
  LEFT=() CONNECTED=()
  for ((ordinal = 0; ordinal < ORDINALS; ordinal++)); do
    pod=$NAME-$ordinal
    if pending=$(pod_figure "$pod" penstock_events_pending); then
      if ((pending > 0)); then LEFT+=("$pod")
      elif (($(pod_figure "$pod" penstock_connections || echo 0) > 0)); then LEFT+=("$pod"); CONNECTED+=("$pod")
      fi
    elif [[ $(state .wired) == true ]]; then
      LEFT+=("$pod")
    fi
  done
}

nothing_left() { find_left; ((${#LEFT[@]} == 0)); }

# Dead letters are final, but only the operator may say that nobody wants them any more.
find_dead_letters() {
  local ordinal pod letters
  for ((ordinal = 0; ordinal < ORDINALS; ordinal++)); do
    pod=$NAME-$ordinal
    letters=$(pod_figure "$pod" penstock_events_dead_lettered_total) || continue
    ((letters == 0)) || { LEFT+=("$pod"); warn "$pod holds $letters dead letters"; }
  done
}

# What an earlier run found when it had the pods to ask, and what nobody can ask any more.
recall_left() {
  if [[ $(state .drained) == true ]]; then
    mapfile -t LEFT < <(state '.left[]')
  elif [[ $(state .wired) == true ]]; then
    UNKNOWN=1
  fi
}

drain() {
  if [[ $(get statefulset "$NAME" "$NAMESPACE") == null ]]; then recall_left; return; fi
  scale_to_all_volumes
  [[ -z $DRY_RUN ]] || return 0
  step "waiting until all is delivered (at most ${PENDING_TIMEOUT}s)"
  wait_for "$PENDING_TIMEOUT" nothing_left || warn "after ${PENDING_TIMEOUT}s still not delivered: ${LEFT[*]}"
  ((${#CONNECTED[@]} == 0)) || warn "senders that install did not configure are still connected to ${CONNECTED[*]}: stop them"
  find_dead_letters
  # A run that is cut short after the pods are gone must not leave the next one ignorant.
  # shellcheck disable=SC2016  # $left is jq's
  state_update --argjson left "$(jq -nc '$ARGS.positional | unique' --args "${LEFT[@]}")" '.drained = true | .left = $left'
}

left() { [[ " ${LEFT[*]} " == *" $1 "* ]]; }

pods_gone() { [[ -z $(forwarder_pods) ]]; }

remove_release() {
  local object
  if [[ -z $(release_status) ]]; then sweep_release </dev/null; return; fi
  object=$(get statefulset "$NAME" "$NAMESPACE")
  if ((${#LEFT[@]})) && [[ -z $DISCARD ]] &&
    jq -e 'any(.spec.template.spec.volumes[]?; .name == "spool" and .emptyDir != null)' <<<"$object" >/dev/null; then
    die "pods hold undelivered events in an emptyDir: ${LEFT[*]}. They are kept running; the collector is" \
        "unwired. Run this again when they have delivered, or use --discard-pending"
  fi
  step "the forwarder"
  if [[ -n $DRY_RUN ]]; then say "would uninstall the Helm release $NAME"; return; fi
  [[ $(release_status) != pending-* ]] || wait_for "$HELM_SECONDS" release_at_rest || true
  helm uninstall "$NAME" -n "$NAMESPACE" >/dev/null
  sweep_release </dev/null
  wait_for "$TIMEOUT" pods_gone || die "the forwarder's pods are not gone after ${TIMEOUT}s; run this again"
}

remove_volumes() {
  local claim kept=()
  for claim in $(all_claims); do
    claim=${claim#*/}
    if [[ -z $DISCARD ]] && { left "${claim#spool-}" || [[ -n ${UNKNOWN:-} ]]; }; then kept+=("$claim"); continue; fi
    remove pvc "$claim" "$NAMESPACE"
  done
  KEPT=("${kept[@]}")
}

# Made by the service CA operator for our Service; it goes with it, if not at once.
remove_service_certificate() {
  local object
  object=$(get secret "$NAME-tls" "$NAMESPACE")
  ! jq -e --arg n "$NAME" '. != null and (.metadata.annotations // {} | to_entries
      | any((.key | endswith("openshift.io/originating-service-name")) and .value == $n))' <<<"$object" >/dev/null ||
    remove secret "$NAME-tls" "$NAMESPACE"
}

main() {
  parse_arguments "$@"
  need_tools
  state_load
  KEPT=() ORDINALS=0 UNKNOWN=""
  if [[ $STATE == "{}" && -z $(release_status) ]]; then
    # Volumes that an earlier run kept: nobody can ask them what they hold.
    UNKNOWN=1
    [[ -n $(all_claims) ]] || { say "nothing is installed in $NAMESPACE"; exit 0; }
  fi
  if [[ -n $(state .wiring.way) ]]; then
    step "the collector"
    unwire "$TIMEOUT"
    ! wired_by_old_name || wait_for_own_names
    [[ $(way) == ownD ]] || {
      remove_secret "$(collector_secret_namespace)" "$(wiring .secret)"
      [[ -z $(state .leaving) ]] || remove_secret "$(collector_secret_namespace)" "$(state .leaving)"
    }
  fi
  restore_release
  drain
  remove_release
  remove_volumes
  step "secrets and records"
  remove_service_certificate
  remove_secret "$NAMESPACE" "$AUTH_SECRET"
  remove_secret "$NAMESPACE" "$AWS_SECRET"
  remove configmap "$STATE_NAME" "$NAMESPACE"
  [[ -z $DRY_RUN ]] || { say "nothing was changed"; exit 0; }
  ((${#KEPT[@]} == 0)) ||
    die "these volumes in $NAMESPACE are kept, because they hold, or may hold, undelivered events or dead letters:" \
        "${KEPT[*]}. Install again to deliver them, or delete them with --discard-pending"
  say "done: everything is removed"
}

main "$@"
