# shellcheck shell=bash
# shellcheck disable=SC2016,SC2153  # $x inside jq programs is jq's; NAME comes from cluster.sh
# Finds out which generation of OpenShift Logging runs, and wires its collector to the forwarder or takes the
# wiring out again. Sourced after cluster.sh; what is added to which resource is in collector_wiring.jq.

# Sets WIRING, the description that collector_wiring.jq works from. $1: http | otlp | auto
find_generation() {
  local output=$1 way schema='{}' collector="" owned logging
  owned=$(owned_crds)
  if crd_served observability.openshift.io v1 clusterlogforwarders; then
    way=ownD
    schema=$(crd_schema clusterlogforwarders.observability.openshift.io |
      jq -c '{format: (.properties.outputs.items.properties.http.properties | has("format"))}')
  elif crd_served logging.openshift.io v1 clusterlogforwarders; then
    schema=$(crd_schema clusterlogforwarders.logging.openshift.io | jq -c '
      {tuning: (.properties.outputs.items.properties | has("tuning")),
       http: ((.properties.outputs.items.properties.type.enum // []) | index("http") != null),
       own: (.properties | has("serviceAccountName"))}')
    logging=$(get clusterloggings.logging.openshift.io instance "$LOGGING_NAMESPACE")
    collector=$(jq -r '.spec.collection | .type // .logs.type // "fluentd"' <<<"$logging")
    # A ClusterLogForwarder of its own needs no ClusterLogging: the operator runs Vector for it.
    if [[ $logging == null ]] && jq -e '.own' <<<"$schema" >/dev/null; then way=ownV1
    elif [[ $collector == fluentd ]]; then way=fluentdForward
    elif jq -e '.own' <<<"$schema" >/dev/null; then way=ownV1
    elif jq -e '.http' <<<"$schema" >/dev/null; then way=http
    else die "the collector is $collector, and in this release of OpenShift Logging (5.4 to 5.6) it has no" \
        "output that fits. Cure: upgrade OpenShift Logging to 5.7 or later, or set spec.collection.type of" \
        "ClusterLogging/instance to fluentd; then run this again"
    fi
  elif crd_served logging.openshift.io v1alpha1 logforwardings; then
    way=logforwarding
  else
    die "this cluster serves no ClusterLogForwarder and no LogForwarding: the OpenShift Logging operator is" \
        "not installed. Cure: install it from OperatorHub (Red Hat OpenShift Logging), then run this again"
  fi
  operator_runs || die "no OpenShift Logging operator runs in $LOGGING_NAMESPACE (deployment" \
      "cluster-logging-operator has no available pod): the collector's configuration would have no effect. Cure:" \
      "install or repair the operator, then run this again"
  [[ $output != otlp || $way == ownD ]] || usage_error "--output otlp needs OpenShift Logging 6; here it is" \
      "$(way_in_words "$way")"
  [[ $way == own* ]] || cluster_logging >/dev/null
  WIRING=$(jq -nc --arg way "$way" --arg name "$NAME" --arg ns "$NAMESPACE" --arg output "$output" \
    --argjson schema "$schema" '
    {$way, $name, namespace: $ns, host: "\($name).\($ns).svc", secret: ($name + "-collector"),
     forwarder: ($name + "-collector"), $output, $schema}')
}

way_in_words() {
  case $1 in
    logforwarding)  echo "OpenShift Logging 4.3 to 4.5 (LogForwarding v1alpha1, Fluentd)" ;;
    fluentdForward) echo "OpenShift Logging 4.6 to 5.9 with Fluentd (ClusterLogForwarder logging.openshift.io/v1)" ;;
    http)           echo "OpenShift Logging 5.7 with Vector (ClusterLogForwarder logging.openshift.io/v1)" ;;
    ownV1)          echo "OpenShift Logging 5.8 or 5.9 with Vector (a ClusterLogForwarder of our own)" ;;
    ownD)           echo "OpenShift Logging 6 (a ClusterLogForwarder of our own, observability.openshift.io/v1)" ;;
  esac
}

# Kinds of a removed operator stay served, and nobody looks at them. What the installed one says it owns, as JSON
# names of CRDs; [] when it was not installed by the operator lifecycle manager.
owned_crds() {
  { kube get clusterserviceversions.operators.coreos.com -n "$LOGGING_NAMESPACE" -o json 2>/dev/null || echo '{}'; } |
    jq -c '[.items[]? | select(.status.phase == "Succeeded") | .spec.customresourcedefinitions.owned[]?.name
      | select(endswith(".logging.openshift.io") or endswith(".observability.openshift.io"))]'
}

# Uses `owned` of find_generation.
crd_served() {
  served "$1/$2" "$3" && jq -e --arg crd "$3.$1" '. == [] or index($crd) != null' <<<"$owned" >/dev/null
}

# The schema of .spec in a CRD's served version, whichever form the CRD has.
crd_schema() {
  kube get crd "$1" -o json | jq -c '
    (.spec.versions | map(select(.served)) | first).schema.openAPIV3Schema.properties.spec
    // .spec.validation.openAPIV3Schema.properties.spec // {}
    | .properties.outputs.items.properties //= {} | .properties.outputs.items.properties.http.properties //= {}'
}

operator_runs() {
  get deployment cluster-logging-operator "$LOGGING_NAMESPACE" | jq -e '(.status.availableReplicas // 0) > 0' >/dev/null
}

cluster_logging() {
  local object
  object=$(get clusterloggings.logging.openshift.io instance "$LOGGING_NAMESPACE")
  [[ $object != null ]] ||
    die "ClusterLogging/instance does not exist in $LOGGING_NAMESPACE, so no collector runs. Cure: create it" \
        "(doc/openshift.md, 'Before you start'), then run this again"
  echo "$object"
}

wiring() { jq -r "$1" <<<"$WIRING"; }

# `wiring .way`, asked for so often that a jq each time would be felt.
way() { [[ $WIRING =~ \"way\":\"([A-Za-z0-9]+)\" ]] && printf '%s' "${BASH_REMATCH[1]}"; }

# KIND NAME NAMESPACE of the resource that a wiring changes
wired_resource() {
  case $(way) in
    logforwarding) echo "logforwardings.v1alpha1.logging.openshift.io instance $LOGGING_NAMESPACE" ;;
    fluentdForward | http) echo "clusterlogforwarders.v1.logging.openshift.io instance $LOGGING_NAMESPACE" ;;
    ownV1) echo "clusterlogforwarders.v1.logging.openshift.io $(own_forwarder) $NAMESPACE" ;;
    ownD)  echo "clusterlogforwarders.v1.observability.openshift.io $(own_forwarder) $NAMESPACE" ;;
  esac
}

# The ClusterLogForwarder of our own. Wirings recorded by 0.1 name none: it was called like the forwarder.
own_forwarder() { wiring '.forwarder // .name'; }

# The operator gives a Service, a ServiceMonitor, a ConfigMap and more the names that a ClusterLogForwarder's
# begins, and overwrites what it finds there. Refuses to install under names that one claims.
refuse_claimed_names() {
  local resource name object
  [[ $(way) != logforwarding ]] || return 0
  read -ra resource < <(wired_resource)
  for name in "$NAME" "$NAME-pods"; do
    [[ $name != "$NAME" ]] || ! wired_by_old_name || continue
    object=$(get "${resource[0]}" "$name" "$NAMESPACE")
    [[ $object == null ]] ||
      die "ClusterLogForwarder/$name exists in $NAMESPACE: the logging operator would overwrite service/$name and" \
          "more of the forwarder's objects with its own. Cure: rename or delete it, or choose another NAMESPACE"
  done
}

wired_by_old_name() {
  jq -e '.wiring // {} | (.way // "" | startswith("own")) and .forwarder == null' <<<"$STATE" >/dev/null
}

# Takes out the wiring of an earlier version, whose ClusterLogForwarder was called like the forwarder's own objects:
# the operator made them its own. They go with it, and installing the chart makes them again.
leave_old_name() {
  local found=$WIRING
  wired_by_old_name || return 0
  step "ClusterLogForwarder/$NAME of an earlier version, whose name made the operator overwrite the forwarder's" \
    "objects, gives way to $NAME-collector"
  unwire "$TIMEOUT"
  wait_for_own_names
  WIRING=$found
  state_update 'del(.wiring, .before)'
}

wait_for_own_names() {
  [[ -n $DRY_RUN ]] || wait_for "$TIMEOUT" own_names_free ||
    die "objects named $NAME in $NAMESPACE still belong to a ClusterLogForwarder that is gone, after ${TIMEOUT}s. Cure:" \
        "delete service/$NAME, configmap/$NAME-config and servicemonitor/$NAME, then run this again"
}

# Does the garbage collector have nothing left to do with our names?
own_names_free() {
  local kinds=services,configmaps
  kinds+=$(monitoring_kinds | sed 's/^/,/' | tr -d '\n')
  kube get "$kinds" -n "$NAMESPACE" -o json | jq -e --arg name "$NAME" '
    any(.items[]; (.metadata.name == ($name, $name + "-config"))
      and any(.metadata.ownerReferences[]?; .kind == "ClusterLogForwarder")) | not' >/dev/null
}

# The operator does not delete these when a ClusterLogForwarder goes; they are its own, and named for who wants to.
name_left_behind() {
  local role binding
  for role in metadata-reader metrics-auth; do
    binding=cluster-logging-$NAMESPACE-$(own_forwarder)-$role
    [[ -z $(kube get clusterrolebinding "$binding" --ignore-not-found -o name 2>/dev/null) ]] ||
      warn "the logging operator leaves ClusterRoleBinding $binding behind; it grants nothing any more:" \
        "oc delete clusterrolebinding $binding"
  done
}

wiring_jq() { jq -L "$LIB" "${@:2}" "include \"collector_wiring\"; $1"; }

# Where the collector looks for its Secret.
collector_secret_namespace() {
  case $(way) in ownV1) echo "$NAMESPACE" ;; *) echo "$LOGGING_NAMESPACE" ;; esac
}

# Reads what is there now and remembers it, once: a second run must not take our own work for the original.
remember_before() {
  local resource annotation=null object logging keep=false
  read -ra resource < <(wired_resource)
  if [[ $(state '.wiring.way') == "$(way)" ]]; then
    WIRING=$(jq -c --argjson was "$(jq -c .wiring <<<"$STATE")" \
      '.keepDefault = $was.keepDefault | .secret = $was.secret' <<<"$WIRING")
    state_update --argjson w "$WIRING" '.wiring = $w'
    return
  fi
  object=$(get "${resource[@]}")
  case $(way) in
    logforwarding)
      logging=$(cluster_logging)
      annotation=$(jq '.metadata.annotations["clusterlogging.openshift.io/logforwardingtechpreview"]' <<<"$logging")
      keep=$(jq -n --argjson cr "$object" --argjson logging "$logging" '
        (($cr.spec.pipelines // []) == []) and ($cr.spec.disableDefaultForwarding // false | not)
        and $logging.spec.logStore.type == "elasticsearch"') ;;
    fluentdForward | http)
      keep=$(jq -n --argjson cr "$object" --argjson logging "$(cluster_logging)" '
        (($cr.spec.pipelines // []) == []) and ($logging.spec.logStore.type // "") != ""') ;;
    own*)
      [[ $object == null ]] || ours "$object" ||
        die "${resource[0]%%.*}/${resource[1]} exists in $NAMESPACE and was not made by this script;" \
          "rename or delete it, then run this again" ;;
  esac
  WIRING=$(jq -c --argjson keep "$keep" '.keepDefault = $keep' <<<"$WIRING")
  state_update --argjson w "$WIRING" --argjson cr "$object" --argjson a "$annotation" '
    .wiring = $w | .before =
      {resource: ($cr | if . then del(.metadata.managedFields, .status) else . end), annotation: $a}'
}

# Writes the collector's own Secret: never the server's private key.
ensure_collector_secret() {
  local way bundle
  way=$(way)
  [[ $way != ownD ]] || return 0
  if [[ -n $DRY_RUN ]]; then say "would make secret $(wiring .secret) in $(collector_secret_namespace) for" \
      "the collector (shared key or token, CA bundle)"; return; fi
  bundle=$(get configmap "$NAME-ca" "$NAMESPACE" | jq -r '.data["service-ca.crt"] // empty')
  [[ -n $bundle ]] || die "ConfigMap $NAME-ca in $NAMESPACE has no service-ca.crt: the service CA operator" \
      "has not filled it in. Cure: check 'oc get clusteroperator service-ca', then run this again"
  get secret "$AUTH_SECRET" "$NAMESPACE" | BUNDLE=$bundle jq -c --arg way "$way" '
    {"ca-bundle.crt": (env.BUNDLE | @base64)}
    + if $way == "logforwarding" or $way == "fluentdForward"
      then {shared_key: .data.shared_key} else {token: .data.http_token} end
    # 4.3 to 4.5 name tls.crt in the configuration whether they use it or not, so it must be there and parse.
    + if $way == "logforwarding" then {"tls.crt": (env.BUNDLE | @base64)} else {} end' |
    ensure_secret "$(collector_secret_namespace)" "$(wiring .secret)"
}

# Brings the resource to what the wiring says; tries again when someone else wrote in between.
apply_wiring() {
  local resource current wanted try
  read -ra resource < <(wired_resource)
  for try in 1 2 3; do
    current=$(get "${resource[@]}")
    wanted=$(wiring_jq 'wire($w)' -c --argjson w "$WIRING" <<<"$current")
    if [[ $current == null ]]; then
      write create <<<"$wanted" && break
    elif jq -e -n --argjson a "$current" --argjson b "$wanted" '$a == $b' >/dev/null; then
      break
    else
      show_change "$current" "$wanted"
      write replace <<<"$wanted" && break
    fi
    ((try < 3)) || die "could not write ${resource[0]%%.*}/${resource[1]}: the message above says why." \
        "Nothing else of it was changed; cure that and run this again"
    sleep "$POLL_SECONDS"
  done
  [[ $(way) != logforwarding ]] || annotate_techpreview '"enabled"'
}

show_change() {
  [[ -n $DRY_RUN ]] || return 0
  diff -u --label now --label 'with the change' <(jq -S .spec <<<"$1") <(jq -S .spec <<<"$2") >&2 || true
}

# $1: the annotation's value as JSON, null to take it away
annotate_techpreview() {
  local object key=clusterlogging.openshift.io/logforwardingtechpreview
  object=$(cluster_logging)
  jq -e --arg k "$key" --argjson v "$1" '.metadata.annotations[$k] != $v' <<<"$object" >/dev/null || return 0
  jq --arg k "$key" --argjson v "$1" '
    if $v == null then del(.metadata.annotations[$k]) else .metadata.annotations[$k] = $v end
    | if .metadata.annotations == {} then del(.metadata.annotations) else . end' <<<"$object" | write replace
}

# The operator's word on our part of the resource.
wiring_accepted() {
  local resource object
  read -ra resource < <(wired_resource)
  object=$(get "${resource[@]}")
  jq -e --arg way "$(way)" --arg name "$NAME" '
    def true_condition($type): any(.[]?; .type == $type and .status == "True");
    if $way == "logforwarding"
    then any(.status.outputs[]?; .name == $name and .state == "Accepted")
    elif $way == "ownD"
    then (.status.conditions | true_condition("observability.openshift.io/Authorized") and true_condition("Ready"))
    else (.status.conditions | true_condition("Ready"))
         and ((.status.outputs[$name]? // []) | length == 0 or true_condition("Ready"))
    end' <<<"$object" >/dev/null
}

wiring_complaint() {
  local resource
  read -ra resource < <(wired_resource)
  get "${resource[@]}" | jq -r '
    [.status | .. | objects | select(.status? == "False" or .state? == "Dropped" or .state? == "Degraded")
     | .message // .reasons? // .reason | tostring] | unique | join("; ")'
}

# The DaemonSet of the collector that the wiring concerns, as "NAME NAMESPACE"; empty when there is none
collector_daemonset() {
  local name
  case $(way) in
    own*)
      name=$(own_forwarder)
      [[ $(get daemonset "$name" "$NAMESPACE") == null ]] || echo "$name $NAMESPACE" ;;
    *)
      for name in collector fluentd; do
        [[ $(get daemonset "$name" "$LOGGING_NAMESPACE") == null ]] || { echo "$name $LOGGING_NAMESPACE"; return; }
      done ;;
  esac
}

collector_mounts() {  # collector_mounts SECRET
  local daemonset
  read -ra daemonset < <(collector_daemonset) || true
  ((${#daemonset[@]})) || return 1
  get daemonset "${daemonset[@]}" |
    jq -e --arg s "$1" 'any(.spec.template.spec.volumes[]?; .secret.secretName? == $s)' >/dev/null
}

collector_released() { ! collector_mounts "$1"; }
collector_exists() { [[ -n $(collector_daemonset) ]]; }
collector_gone() { [[ -z $(collector_daemonset) ]]; }

collector_rolled_out() {  # collector_rolled_out SECONDS
  local daemonset
  read -ra daemonset < <(collector_daemonset) || true
  ((${#daemonset[@]})) || return 1
  kube rollout status "daemonset/${daemonset[0]}" -n "${daemonset[1]}" --timeout="${1}s" >/dev/null
}

# Sets STATUSES, the status of every pod that answers, and ARRIVALS, what became of each wired kind of log.
logs_are_delivered() {
  local pod
  STATUSES=$(for pod in $(forwarder_pods); do pod_page "$pod" api/status || true; done | jq -sc .)
  ARRIVALS=$(wiring_jq 'arrivals($w.types)' -c --argjson w "$WIRING" <<<"$STATUSES")
  jq -e 'all(.[]; .state == "delivered" or .state == "untold")' <<<"$ARRIVALS" >/dev/null
}

# kinds_that_are STATE: "audit and infrastructure"
kinds_that_are() { jq -r --arg s "$1" '[.[] | select(.state == $s).type] | join(" and ")' <<<"$ARRIVALS"; }

wait_for_logs() {
  local missing stuck message="" daemonset
  step "waiting until logs of each kind are delivered (at most ${TIMEOUT}s)"
  if wait_for "$TIMEOUT" logs_are_delivered; then
    [[ -z $(kinds_that_are untold) ]] ||
      say "  logs are delivered; no route selects log_type $(kinds_that_are untold), so the script cannot verify these kinds"
    return
  fi
  missing=$(kinds_that_are missing) stuck=$(kinds_that_are arrived)
  if [[ -n $missing ]]; then
    read -ra daemonset < <(collector_daemonset) || true
    message="no $missing log has arrived within ${TIMEOUT}s. Cure: see 'oc -n ${daemonset[1]:-$NAMESPACE} logs"
    message+=" daemonset/${daemonset[0]:-collector}' and 'oc -n $NAMESPACE logs statefulset/$NAME'"
    [[ $missing != *application* ]] ||
      message+="; application logs come from pods outside of openshift-*, kube-* and default, which must run and log"
  fi
  if [[ -n $stuck ]]; then
    message+="${message:+. }$stuck logs arrived within ${TIMEOUT}s but were not delivered"
    message+=" ($(jq -r -L "$LIB" 'include "collector_wiring"; last_error' <<<"$STATUSES" | head -c 300)). Cure: see"
    message+=" 'oc -n $NAMESPACE logs statefulset/$NAME' and PenstockNotDelivering in doc/operations.md"
  fi
  die "the collector is configured, but $message; then run this again (it repeats no step that is done), or use --no-wait"
}

# wait_for_collector SECONDS: the operator accepts the wiring and every collector runs with it
wait_for_collector() {
  local seconds=$1 start=$SECONDS
  [[ -z $DRY_RUN ]] || return 0
  wait_for "$seconds" wiring_accepted ||
    die "the operator has not accepted the configuration within ${seconds}s: $(wiring_complaint | head -c 400). The" \
        "forwarder itself runs; cure that and run this again"
  wait_for $((seconds - SECONDS + start)) collector_exists ||
    die "the operator has made no collector DaemonSet within ${seconds}s. Cure: see its log (oc -n" \
        "$LOGGING_NAMESPACE logs deployment/cluster-logging-operator), then run this again"
  if [[ $(way) != ownD ]]; then
    wait_for $((seconds - SECONDS + start)) collector_mounts "$(wiring .secret)" ||
      die "the collector has not taken up secret $(wiring .secret) within ${seconds}s. Cure: see the" \
          "operator's log (oc -n $LOGGING_NAMESPACE logs deployment/cluster-logging-operator), then run this" \
          "again"
  fi
  collector_rolled_out $((seconds - SECONDS + start > 1 ? seconds - SECONDS + start : 1)) ||
    die "the collector's rollout is not finished after ${seconds}s. Cure: see 'oc -n $LOGGING_NAMESPACE get" \
        "pods', then run this again"
}

# Takes our part out of the collector and waits until no collector uses it. The wiring is the recorded one.
unwire() {
  local resource current wanted before seconds=$1
  WIRING=$(jq -c .wiring <<<"$STATE")
  read -ra resource < <(wired_resource)
  before=$(jq -c '.before.resource' <<<"$STATE")
  if ! kube get --raw "$(api_path "${resource[0]}")" >/dev/null 2>&1; then
    warn "${resource[0]} is no longer served; its part of the configuration is gone, too"
    return
  fi
  current=$(get "${resource[@]}")
  case $(way) in
    own*)
      if [[ $current != null ]] && ! ours "$current"; then
        warn "ClusterLogForwarder/${resource[1]} in $NAMESPACE was not made by these scripts; it stays"
        return
      fi
      [[ $current == null ]] || remove "${resource[@]}"
      [[ -n $DRY_RUN ]] || wait_for "$seconds" collector_gone ||
        die "the operator has not removed the collector $(own_forwarder) within ${seconds}s; run this again when" \
            "it has"
      [[ -n $DRY_RUN ]] || name_left_behind
      return ;;
  esac
  if [[ $current != null ]]; then
    wanted=$(wiring_jq 'unwire($w; $before)' -c --argjson w "$WIRING" --argjson before "$before" <<<"$current")
    if [[ $wanted == null ]]; then
      remove "${resource[@]}"
    elif ! jq -e -n --argjson a "$current" --argjson b "$wanted" '$a == $b' >/dev/null; then
      show_change "$current" "$wanted"
      write replace <<<"$wanted"
      [[ $(jq .wiring.keepDefault <<<"$STATE") != true || $before != null ]] ||
        warn "others have added to ${resource[0]%%.*}/instance since it was made; it stays, and what of it" \
            "goes to the operator's own store is now theirs to say"
    fi
  fi
  [[ $(way) != logforwarding ]] || restore_annotation "${wanted:-null}"
  [[ -n $DRY_RUN ]] || wait_for "$seconds" collector_released "$(wiring .secret)" ||
    die "the collector still uses secret $(wiring .secret) after ${seconds}s; run this again when the" \
        "operator has rolled it out"
  [[ -n $DRY_RUN ]] || collector_gone || collector_rolled_out "$seconds" ||
    die "the collector's rollout is not finished after ${seconds}s; run this again"
}

# The annotation goes last, and not while a resource with pipelines of others' depends on it.
restore_annotation() {
  local left=$1 now was
  was=$(jq '.before.annotation' <<<"$STATE")
  now=$(cluster_logging | jq '.metadata.annotations["clusterlogging.openshift.io/logforwardingtechpreview"]')
  [[ $now == '"enabled"' && $now != "$was" ]] || return 0
  if jq -e --argjson before "$(jq -c .before.resource <<<"$STATE")" '
    . != null and ((.spec.pipelines // []) - ($before.spec.pipelines // [])) != []' <<<"$left" >/dev/null; then
    warn "ClusterLogging/instance keeps the annotation for log forwarding: pipelines that others added need it"
    return
  fi
  annotate_techpreview "$was"
}

api_path() {  # resource.version.group
  local rest=${1#*.}
  echo "/apis/${rest#*.}/${rest%%.*}"
}
