#!/usr/bin/env bash
# Changes the shared key (and the HTTP token) between the collector and penstock without refusing a log. See --help.
# shellcheck disable=SC2016  # $x inside jq programs is jq's
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cluster.sh"
# shellcheck source-path=SCRIPTDIR source=lib/collector_wiring.sh
source "$LIB/collector_wiring.sh"

usage() {
  cat <<'TEXT'
Gives the collector and the forwarder a new shared key and HTTP token, and the collector a current copy of the
cluster's service CA. Old and new ones are valid until every collector has the new ones.

usage: update_log_forwarding-secure_secret.sh [options]

Environment:
  SHARED_KEY   the new key; created if unset
  NAMESPACE    namespace of the forwarder   (openshift-logging)

Options:
  --ca-only    keep key and token; only renew the collector's copy of the service CA
  --settle T   maximum time to wait until every pod has the new key, which its node renews   (150s)
  --timeout T  limit of each wait   (10m)
  --dry-run    print what it would do, change nothing
  --help

The next run completes an interrupted one.

Examples:
  ./scripts/update_log_forwarding-secure_secret.sh
  SHARED_KEY=… ./scripts/update_log_forwarding-secure_secret.sh
  ./scripts/update_log_forwarding-secure_secret.sh --ca-only
TEXT
}

SETTLE=150 CA_ONLY="" BEHIND=""

parse_arguments() {
  while (($#)); do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --ca-only) CA_ONLY=1 ;;
      --settle | --timeout)
        (($# > 1)) || usage_error "$1 needs a value"
        case $1 in --settle) SETTLE=$(seconds_of "$2") ;; *) TIMEOUT=$(seconds_of "$2") ;; esac
        shift ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
  [[ ${SHARED_KEY:-x} =~ ^[A-Za-z0-9_-]+$ ]] || usage_error "SHARED_KEY may contain letters, digits, '-' and '_' only"
}

rotation_pending() {
  jq -e '.data | .shared_key != .shared_key_previous or .http_token != .http_token_previous' <<<"$1" >/dev/null
}

# From here on the forwarder takes both.
add_new_key() {
  local current
  current=$(get secret "$AUTH_SECRET" "$NAMESPACE")
  [[ $current != null ]] || die "secret $AUTH_SECRET does not exist in $NAMESPACE: run" \
      "install_log_forwarding_kinesis.sh first"
  if rotation_pending "$current"; then
    step "finishing a rotation that was interrupted"
    [[ -z ${SHARED_KEY:-} ]] || jq -e '.data.shared_key == (env.SHARED_KEY | @base64)' <<<"$current" >/dev/null ||
      die "another rotation is not finished. Cure: run this once without SHARED_KEY to finish that, then again with it"
    return
  fi
  if [[ -n ${SHARED_KEY:-} ]] && jq -e '.data.shared_key == (env.SHARED_KEY | @base64)' <<<"$current" >/dev/null; then
    say "SHARED_KEY is the key in use; nothing to do"
    exit 0
  fi
  step "the forwarder accepts the new key and the old one"
  FRESH_KEY=${SHARED_KEY:-$(random_key)} FRESH_TOKEN=$(random_key) jq '
    .data.shared_key_previous = .data.shared_key | .data.shared_key = (env.FRESH_KEY | @base64)
    | .data.http_token_previous = .data.http_token | .data.http_token = (env.FRESH_TOKEN | @base64)' <<<"$current" |
    write replace
}

# Compares inside the shell: the key is neither printed nor an argument. Sets BEHIND, what keeps it from being sure.
pods_have_key() {
  local wanted pod seen
  BEHIND=""
  wanted=$(get secret "$AUTH_SECRET" "$NAMESPACE" | jq -r '.data.shared_key | @base64d')
  for pod in $(forwarder_pods); do
    if ! seen=$(kube exec -n "$NAMESPACE" "$pod" -c penstock -- \
      cat /var/run/secrets/penstock/auth/shared_key 2>"$WORK/errors"); then
      BEHIND="pod $pod could not be asked for its key: $(head -c 300 "$WORK/errors" | tr '\n' ' ')"
      return 1
    fi
    [[ $seen == "$wanted" ]] || { BEHIND="pod $pod still has the old key: its node has not renewed its Secret"; return 1; }
  done
}

wait_until_taken_up() {
  [[ -z $DRY_RUN ]] || return 0
  step "waiting until every pod has it (at most ${SETTLE}s)"
  # Touching the pod makes its node look at the pod's volumes at once.
  local pod
  for pod in $(forwarder_pods); do
    kube annotate -n "$NAMESPACE" "pod/$pod" --overwrite "penstock/keys-renewed=$(date +%s)" >/dev/null || true
  done
  wait_for "$SETTLE" pods_have_key ||
    die "after ${SETTLE}s $BEHIND. Both keys stay valid and the collector was not touched. Cure: see 'oc -n" \
        "$NAMESPACE describe pods -l $SELECTOR', then run this again, or with --settle 10m"
  sleep "$POLL_SECONDS"   # the forwarder watches the file; a moment for it to read it
}

# A new name for the collector's Secret, so that the operator sees a change and rolls the collectors out.
move_collector() {
  local old=$1 new=$NAME-collector
  [[ $old == "$NAME-collector" ]] && new=$NAME-collector-2
  WIRING=$(jq -c --arg s "$new" '.secret = $s' <<<"$WIRING")
  step "the collector gets secret $new"
  if [[ -z $DRY_RUN ]]; then remove_secret "$(collector_secret_namespace)" "$new"; fi
  ensure_collector_secret
  state_update --arg old "$old" --argjson w "$WIRING" '.wiring = $w | .leaving = $old'
}

finish_move() {
  apply_wiring
  wait_for_collector "$TIMEOUT"
  [[ -z $(state .leaving) ]] || remove_secret "$(collector_secret_namespace)" "$(state .leaving)"
  state_update 'del(.leaving)'
}

drop_old_key() {
  step "removing the old key"
  get secret "$AUTH_SECRET" "$NAMESPACE" |
    jq '.data.shared_key_previous = .data.shared_key | .data.http_token_previous = .data.http_token' | write replace
}

main() {
  parse_arguments "$@"
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  need_tools
  state_load
  [[ -n $(state .wiring.way) ]] || die "nothing is installed in $NAMESPACE (no ConfigMap $STATE_NAME with a" \
      "wiring): run install_log_forwarding_kinesis.sh first, or set NAMESPACE"
  ! wired_by_old_name || die "an earlier version gave ClusterLogForwarder/$NAME a name that clashes with the" \
      "forwarder's objects. Cure: run install_log_forwarding_kinesis.sh, which renames it, then run this again"
  WIRING=$(jq -c .wiring <<<"$STATE")
  if [[ -z $CA_ONLY ]]; then
    add_new_key
    wait_until_taken_up
  fi
  if [[ $(way) == ownD ]]; then
    say "  this collector shows its ServiceAccount's token and refers to the CA: it needs nothing new"
  else
    [[ -n $(state .leaving) ]] || move_collector "$(wiring .secret)"
    finish_move
  fi
  [[ -n $CA_ONLY ]] || drop_old_key
  if [[ -n $DRY_RUN ]]; then say "nothing was changed"; else say "done"; fi
}

main "$@"
