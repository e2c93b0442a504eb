#!/usr/bin/env bash
# Installs penstock in an OpenShift cluster and wires OpenShift Logging's collector to it. See --help.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/cluster.sh"
# shellcheck source-path=SCRIPTDIR source=lib/collector_wiring.sh
source "$LIB/collector_wiring.sh"

CHART=$(cd "$LIB/../../deploy/helm/penstock" && pwd)

usage() {
  cat <<'TEXT'
Forwards the cluster's application, infrastructure and audit logs to AWS Kinesis Data Streams.

usage: install_log_forwarding_kinesis.sh [options]

Environment:
  LOGGINGNAMES         log types, out of: projects operations audit       (required)
  KINESIS_STREAM_NAME  their streams, in the same order                   (required; one alone receives everything)
  KINESIS_REGION       the streams' region                                (required)
  AWS_KEY_ID, AWS_SEC_KEY   an IAM user's key pair; not with --role-arn or --aws-secret
  SHARED_KEY           key of the collector's handshake; created if unset
  NAMESPACE            namespace of the forwarder                         (openshift-logging)

Options:
  --image IMAGE        image to run; default: penstock:VERSION of the namespace in the cluster's own
                       registry, pinned to the digest that the image stream reports
  --role-arn ARN       use an IAM role through the cluster's token issuer (STS) instead of keys
  --aws-secret NAME    use your own Secret with the key `credentials` (a shared credentials file)
  --output http|otlp   how a collector of OpenShift Logging 6 sends        (http)
  --storage-class C    storage class of the spool volumes                  (the cluster's default)
  --emptydir           no volumes: events of a deleted pod are lost
  --values FILE        additional values for the Helm chart; may be repeated
  --skip-stream-check  do not check whether the streams can be reached
  --no-wait            do not wait until a log of each kind has arrived and is delivered
  --timeout T          limit of each wait                                  (10m)
  --dry-run            print what it would do, change nothing
  --help

Exits with 0 when a log of each kind has arrived and is delivered, otherwise with 1 and what to check. A second run
changes nothing; the next run completes an interrupted one.

Examples:
  export AWS_KEY_ID=AKIA… AWS_SEC_KEY=… KINESIS_REGION=us-east-1
  export LOGGINGNAMES="projects operations audit"
  export KINESIS_STREAM_NAME="my-stream-projects my-stream-operations my-stream-audit"
  ./scripts/install_log_forwarding_kinesis.sh --dry-run
  ./scripts/install_log_forwarding_kinesis.sh

  ./scripts/install_log_forwarding_kinesis.sh --role-arn arn:aws:iam::123456789012:role/penstock
TEXT
}

IMAGE="" ROLE_ARN="" OWN_AWS_SECRET="" OUTPUT=auto STORAGE_CLASS="" VOLUME=persistent CHECK_STREAMS=1 WAIT_FOR_LOGS=1
VALUE_FILES=()

parse_arguments() {
  while (($#)); do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --skip-stream-check) CHECK_STREAMS="" ;;
      --no-wait) WAIT_FOR_LOGS="" ;;
      --emptydir) VOLUME=emptyDir ;;
      --image | --role-arn | --aws-secret | --output | --storage-class | --values | --timeout)
        (($# > 1)) || usage_error "$1 needs a value"
        case $1 in
          --image) IMAGE=$2 ;;
          --role-arn) ROLE_ARN=$2 ;;
          --aws-secret) OWN_AWS_SECRET=$2 ;;
          --output) OUTPUT=$2; [[ $2 == http || $2 == otlp ]] || usage_error "--output is http or otlp, not '$2'" ;;
          --storage-class) STORAGE_CLASS=$2 ;;
          --values) [[ -r $2 ]] || usage_error "cannot read the values file '$2'"; VALUE_FILES+=(--values "$2") ;;
          --timeout) TIMEOUT=$(seconds_of "$2") ;;
        esac
        shift ;;
      *) usage_error "unknown argument '$1'" ;;
    esac
    shift
  done
}

check_environment() {
  local name
  for name in LOGGINGNAMES KINESIS_STREAM_NAME KINESIS_REGION; do
    [[ -n ${!name:-} ]] || usage_error "the environment variable $name is not set"
  done
  read -ra LOG_NAMES <<<"$LOGGINGNAMES"
  read -ra STREAM_NAMES <<<"$KINESIS_STREAM_NAME"
  ((${#LOG_NAMES[@]} == ${#STREAM_NAMES[@]} || ${#STREAM_NAMES[@]} == 1)) ||
    usage_error "LOGGINGNAMES names ${#LOG_NAMES[@]} kinds of logs (${LOG_NAMES[*]}) but KINESIS_STREAM_NAME" \
        "${#STREAM_NAMES[@]} streams (${STREAM_NAMES[*]}); name one stream for each, or one for all"
  for name in "${LOG_NAMES[@]}"; do
    [[ " projects operations audit application infrastructure " == *" $name "* ]] ||
      usage_error "LOGGINGNAMES: '$name' is not one of projects, operations, audit"
  done
  name=$(printf '%s\n' "${LOG_NAMES[@]}" | sed 's/^application$/projects/; s/^infrastructure$/operations/' | sort | uniq -d)
  [[ -z $name ]] || usage_error "LOGGINGNAMES has ${name//$'\n'/ and } twice; name each kind of logs once"
  if [[ -z $ROLE_ARN && -z $OWN_AWS_SECRET ]]; then
    [[ -n ${AWS_KEY_ID:-} && -n ${AWS_SEC_KEY:-} ]] ||
      usage_error "AWS_KEY_ID and AWS_SEC_KEY are not both set; set them, or use --role-arn or --aws-secret"
    [[ ! $AWS_KEY_ID$AWS_SEC_KEY =~ [[:space:]] ]] || usage_error "AWS_KEY_ID or AWS_SEC_KEY contains white space"
  fi
  # Fluentd pastes the key into its configuration and evaluates it there.
  [[ ${SHARED_KEY:-x} =~ ^[A-Za-z0-9_-]+$ ]] || usage_error "SHARED_KEY may contain letters, digits, '-' and '_' only"
}

# The types in the collectors' words, as JSON.
log_types() {
  printf '%s\n' "${LOG_NAMES[@]}" |
    jq -Rnc '[inputs | {projects: "application", operations: "infrastructure"}[.] // .] | unique'
}

check_cluster() {
  step "checking the cluster"
  check_reading
  [[ -n $(kube get namespace "$NAMESPACE" --ignore-not-found -o name) ]] ||
    die "namespace $NAMESPACE does not exist. Cure: install OpenShift Logging first, or set NAMESPACE to one" \
        "that exists ('oc create namespace $NAMESPACE')"
  find_generation "$OUTPUT"
  WIRING=$(jq -c --argjson types "$(log_types)" '.types = $types' <<<"$WIRING")
  say "  found $(way_in_words "$(way)")"
  if [[ $(way) == logforwarding ]] &&
    jq -e '.types | (index("application") == null) != (index("infrastructure") == null)' <<<"$WIRING" >/dev/null; then
    die "this collector sends the infrastructure's container logs along with the applications': LOGGINGNAMES" \
        "must have both projects and operations, or neither"
  fi
  check_permissions
  local theirs
  theirs=$(get service,statefulset,serviceaccount "$NAME" "$NAMESPACE" | jq -r --arg name "$NAME" '
    [(.items? // [.])[] | select(. != null and .metadata.annotations["meta.helm.sh/release-name"] != $name)
      | .kind | ascii_downcase] | first // empty')
  [[ -z $theirs ]] ||
    die "$theirs/$NAME exists in $NAMESPACE and belongs to something else. Cure: remove it (the" \
        "predecessor's uninstall script, if it is its), or choose another NAMESPACE"
}

# What finding out what runs needs; the rest depends on what is found.
check_reading() {
  printf '%s\n' "get namespaces $NAMESPACE" \
    "get customresourcedefinitions.apiextensions.k8s.io $LOGGING_NAMESPACE" \
    "get clusterloggings.logging.openshift.io $LOGGING_NAMESPACE" "get deployments.apps $LOGGING_NAMESPACE" |
    need_permissions
}

check_permissions() {
  local verb resource
  {
    for resource in secrets configmaps services serviceaccounts statefulsets.apps persistentvolumeclaims \
      horizontalpodautoscalers.autoscaling poddisruptionbudgets.policy networkpolicies.networking.k8s.io \
      roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io $(monitoring_kinds); do
      for verb in get list create update patch delete; do echo "$verb $resource $NAMESPACE"; done
    done
    printf '%s\n' "get pods $NAMESPACE" "list pods $NAMESPACE" "patch pods $NAMESPACE" "get pods/proxy $NAMESPACE" \
      "create pods/exec $NAMESPACE" "watch statefulsets.apps $NAMESPACE" "patch statefulsets/scale.apps $NAMESPACE" \
      "get statefulsets/scale.apps $NAMESPACE"
    # Nobody may give what he has not: these are what the Role for Prometheus gives.
    for resource in services endpoints pods; do
      for verb in get list watch; do echo "$verb $resource $NAMESPACE"; done
    done
    read -ra resource < <(wired_resource)
    for verb in get create update delete; do echo "$verb ${resource[0]%%.*}.${resource[0]#*.*.} ${resource[2]}"; done
    for verb in get list watch; do echo "$verb daemonsets.apps ${resource[2]}"; done
    [[ $(way) == logforwarding ]] || echo "get ${resource[0]%%.*}.${resource[0]#*.*.} $NAMESPACE"   # to see who claims our names
    if [[ $(way) != ownD ]]; then
      for verb in get create update delete; do echo "$verb secrets $(collector_secret_namespace)"; done
    fi
    [[ $(way) != logforwarding ]] || echo "update clusterloggings.logging.openshift.io $LOGGING_NAMESPACE"
    if [[ $(way) == own* ]]; then
      for verb in get list create update patch delete; do
        echo "$verb clusterrolebindings.rbac.authorization.k8s.io $NAMESPACE"
      done
      echo "bind clusterroles.rbac.authorization.k8s.io $NAMESPACE"
    fi
  } | need_permissions
}

# With the caller's own identity, when the AWS CLI is here; else the pod is asked later.
check_streams() {
  local stream answer
  [[ -n $CHECK_STREAMS ]] || return 0
  if [[ -n $ROLE_ARN || -n $OWN_AWS_SECRET ]] || ! command -v aws >/dev/null; then
    CHECK_STREAMS=in-cluster
    return 0
  fi
  step "checking whether the streams can be reached"
  for stream in "${STREAM_NAMES[@]}"; do
    answer=$(AWS_ACCESS_KEY_ID=$AWS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SEC_KEY AWS_SESSION_TOKEN="" AWS_PAGER="" \
      aws kinesis describe-stream-summary --stream-name "$stream" --region "$KINESIS_REGION" 2>&1 >/dev/null) ||
      die "stream $stream in $KINESIS_REGION: $(tr '\n' ' ' <<<"$answer")
    Cure: check KINESIS_STREAM_NAME, KINESIS_REGION and the keys' policy ('penstock iam-policy')," \
        "or use --skip-stream-check"
  done
  CHECK_STREAMS=""
}

check_streams_in_cluster() {
  [[ $CHECK_STREAMS == in-cluster && -z $DRY_RUN ]] || return 0
  step "checking whether the forwarder reaches the streams"
  local answer
  answer=$(kube exec -n "$NAMESPACE" "$NAME-0" -c penstock -- \
    /usr/bin/penstock check --online --config /etc/penstock/penstock.yaml 2>&1) ||
    die "the forwarder runs but does not reach what it needs; the collector was not changed:
    ${answer//$'\n'/$'\n'    }
    Cure that and run this again, or use --skip-stream-check"
}

make_secrets() {
  step "secrets"
  if [[ -z $ROLE_ARN && -z $OWN_AWS_SECRET ]]; then
    jq -n '{credentials:
      ("[default]\naws_access_key_id = \(env.AWS_KEY_ID)\naws_secret_access_key = \(env.AWS_SEC_KEY)\n" | @base64)}' |
      ensure_secret "$NAMESPACE" "$AWS_SECRET"
  fi
  local current
  current=$(get secret "$AUTH_SECRET" "$NAMESPACE")
  if [[ -n ${SHARED_KEY:-} && $current != null ]]; then
    jq -e '.data.shared_key == null or .data.shared_key == (env.SHARED_KEY | @base64)' <<<"$current" >/dev/null ||
      die "SHARED_KEY is not the one that is installed. Cure: change it with" \
          "update_log_forwarding-secure_secret.sh, which keeps old and new valid until every collector has" \
          "the new one"
  fi
  FRESH_KEY=${SHARED_KEY:-$(random_key)} FRESH_TOKEN=$(random_key) CURRENT=$current jq -n '
    (env.CURRENT | fromjson | .data // {}) as $now
    | ($now.shared_key // (env.FRESH_KEY | @base64)) as $key
    | ($now.http_token // (env.FRESH_TOKEN | @base64)) as $token
    | {shared_key: $key, shared_key_previous: ($now.shared_key_previous // $key),
       http_token: $token, http_token_previous: ($now.http_token_previous // $token)}' |
    ensure_secret "$NAMESPACE" "$AUTH_SECRET"
}

# The digest of the default image, as the cluster's own registry knows it, so that every node runs the same.
default_digest() {
  [[ -z $IMAGE ]] || return 0
  kube get imagestreamtags.image.openshift.io "penstock:$(sed -n 's/^appVersion: *"\(.*\)"/\1/p' "$CHART/Chart.yaml")" \
    -n "$NAMESPACE" -o jsonpath='{.image.metadata.name}' 2>/dev/null | grep -x 'sha256:[0-9a-f]*' || true
}

# Where the cluster's Services have IPv6 addresses, the sources listen on both families.
listen_address() {
  local addresses
  addresses=$(kube get service kubernetes -n default -o jsonpath='{.spec.clusterIP} {.spec.clusterIPs}' 2>/dev/null) || true
  if [[ $addresses == *:*:* ]]; then echo '[::]'; else echo 0.0.0.0; fi
}

# The cluster's TLS profile, as far as it is stricter than what penstock does by itself (Intermediate), as JSON.
tls_values() {
  local fluentd=false values
  [[ $(way) != logforwarding && $(way) != fluentdForward ]] || fluentd=true
  values=$({ kube get apiservers.config.openshift.io cluster -o json 2>/dev/null || echo '{}'; } |
    jq -c -L "$LIB" --argjson fluentd "$fluentd" 'include "collector_wiring"; tls_of_profile($fluentd)')
  [[ $(jq -r .kept <<<"$values") != true ]] ||
    warn "the cluster's TLS profile asks for TLS 1.3, which this release's Fluentd does not speak: TLS 1.2 stays"
  jq -c 'del(.kept)' <<<"$values"
}

chart_values() {
  local version=${IMAGE##*/}
  jq -n --arg name "$NAME" --arg ns "$NAMESPACE" --arg region "$KINESIS_REGION" --arg role "$ROLE_ARN" \
    --arg secret "${OWN_AWS_SECRET:-$AWS_SECRET}" --arg image "$IMAGE" --arg tagged "$version" \
    --arg class "$STORAGE_CLASS" --arg volume "$VOLUME" --arg auth "$AUTH_SECRET" --argjson wiring "$WIRING" \
    --argjson names "$(jq -nc '$ARGS.positional' --args "${LOG_NAMES[@]}")" \
    --argjson streams "$(jq -nc '$ARGS.positional' --args "${STREAM_NAMES[@]}")" \
    --arg digest "$(default_digest)" --arg listen "$(listen_address)" --argjson tls "$(tls_values)" \
    --argjson monitoring "$([[ -n $(monitoring_kinds) ]] && echo true || echo false)" '
    def image: if $image == "" then if $digest == "" then {} else {digest: $digest} end
      else {registry: ""} + if $image | contains("@") then $image | split("@") | {repository: .[0], digest: .[1]}
      elif $tagged | contains(":") then {repository: ($image | sub(":[^:]*$"; "")), tag: ($tagged | split(":")[1])}
      else {repository: $image} end end;
    {fullnameOverride: $name, image: image, listenAddress: $listen, tls: $tls, monitoring: {enabled: $monitoring}, auth: {existingSecret: $auth},
     aws: ({region: $region} + if $role != "" then {role: {arn: $role}} else {existingSecret: $secret} end),
     spool: ({volume: $volume} + if $class != "" then {storageClass: $class} else {} end),
     config: (if ($streams | length) == 1
       # A route for each kind tells the kinds apart in /api/status, where install looks for them.
       then {streams: {all: {name: $streams[0]}}, routes: ([$names[] | {log_type: ., stream: "all"}] + [{stream: "all"}])}
       else {streams: ([range($names | length) | {key: $names[.], value: {name: $streams[.]}}] | from_entries),
             routes: [$names[] | {log_type: ., stream: .}]} end)}
    + if $wiring.way == "ownV1" or $wiring.way == "ownD"
      then {collector: {create: true, inputs: $wiring.types}} else {} end
    + if $wiring.way == "ownD" then {sources: {http: {serviceAccounts: ["\($ns)/\($name)-collector"]}}} else {} end'
}

install_chart() {
  step "the forwarder"
  local folder=$WORK status answer
  chart_values >"$folder/values.json"
  # Names are not for the values to change: these scripts find the objects by them.
  local release=("$NAME" "$CHART" -n "$NAMESPACE" --values "$folder/values.json" "${VALUE_FILES[@]}"
    --set "fullnameOverride=$NAME,nameOverride=")
  forget_unfinished_revision
  status=$(release_status)
  answer=$(helm upgrade --install "${release[@]}" "$HELM_DRY_RUN" -o json 2>"$folder/errors") ||
    die "the chart does not fit this cluster: $(cat "$folder/errors")"
  if [[ -n $DRY_RUN ]]; then
    say "would install the chart with:"
    sed 's/^/    /' "$folder/values.json" >&2
    jq -r .manifest <<<"$answer"
    return
  fi
  if [[ $status == deployed && -z $(state .unfinished) ]] && same_release "$answer"; then
    say "  unchanged"
  else
    answer=$(helm upgrade --install "${release[@]}" --timeout "${TIMEOUT}s" 2>&1) || die_of_helm "$answer"
  fi
  helm get manifest "$NAME" -n "$NAMESPACE" | sweep_release
  [[ -z $(state .unfinished) ]] || state_update 'del(.unfinished)'
}

die_of_helm() {
  [[ $1 != *"updates to statefulset spec"* ]] ||
    die "size, class and kind of the spool volumes cannot be changed in place; nothing else was changed either." \
        "Cure: leave them as they are, or see PenstockSpoolFillsUp in doc/operations.md"
  die "helm: ${1:-it was stopped by a signal; run this again}"
}

# Is what is installed what would be installed, and is all of it there?
same_release() {
  diff -qB <(helm get manifest "$NAME" -n "$NAMESPACE" | for_comparison) <(jq -r .manifest <<<"$1" | for_comparison) \
    >/dev/null || return 1
  helm get manifest "$NAME" -n "$NAMESPACE" | all_exist
}

# A manifest without what the autoscaler changes.
for_comparison() {
  local manifest
  manifest=$(cat)
  if [[ $manifest == *"kind: HorizontalPodAutoscaler"* ]]; then grep -v '^  replicas: ' <<<"$manifest"; else echo "$manifest"; fi
}

service_certificate() { kube get secret "$NAME-tls" -n "$NAMESPACE" >/dev/null 2>&1; }
service_ca() { get configmap "$NAME-ca" "$NAMESPACE" | jq -e '.data["service-ca.crt"] // "" | length > 0' >/dev/null; }

wait_for_forwarder() {
  [[ -z $DRY_RUN ]] || return 0
  step "waiting until it is ready"
  wait_for "$TIMEOUT" service_certificate ||
    die "no certificate was issued for service $NAME (secret $NAME-tls). Cure: check 'oc get clusteroperator" \
        "service-ca', then run this again"
  wait_for "$TIMEOUT" service_ca ||
    die "ConfigMap $NAME-ca was not filled with the service CA. Cure: check 'oc get clusteroperator" \
        "service-ca', then run this again"
  kube rollout status "statefulset/$NAME" -n "$NAMESPACE" --timeout="${TIMEOUT}s" >&2 ||
    die "the forwarder is not ready after ${TIMEOUT}s; the collector was not touched. Cure: see 'oc -n" \
        "$NAMESPACE get pods' and 'oc -n $NAMESPACE logs statefulset/$NAME', then run this again"
}

wire_collector() {
  step "the collector"
  if [[ -n $(state .wiring.way) && $(state .wiring.way) != "$(way)" ]]; then
    step "OpenShift Logging has changed: removing the configuration for $(way_in_words "$(state .wiring.way)")"
    local found=$WIRING old
    unwire "$TIMEOUT"
    old=$(collector_secret_namespace)
    remove_secret "$old" "$(wiring .secret)"
    WIRING=$found
    state_update 'del(.wiring, .before)'
  fi
  remember_before
  ensure_collector_secret
  [[ $(state .wired) == true ]] || state_update '.wired = true'
  apply_wiring
  wait_for_collector "$TIMEOUT"
}

main() {
  parse_arguments "$@"
  check_environment
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  need_tools
  check_cluster
  check_streams
  state_load
  refuse_claimed_names
  leave_old_name
  state_update '.version = 1 | del(.drained, .left)'
  make_secrets
  install_chart
  wait_for_forwarder
  check_streams_in_cluster
  wire_collector
  [[ -z $DRY_RUN ]] || { say "nothing was changed"; exit 0; }
  if [[ -z $WAIT_FOR_LOGS ]]; then say "done: the collector is configured; the script did not wait for logs"; exit 0; fi
  wait_for_logs
  say "done: logs arrive and are delivered to $KINESIS_STREAM_NAME in $KINESIS_REGION"
}

main "$@"
