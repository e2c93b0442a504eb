# shellcheck shell=bash
# shellcheck disable=SC2034,SC2016  # names for the scripts that source this; $x inside jq programs is jq's
# What the install, update and uninstall scripts share: messages, the cluster's client, objects that are
# written only when they differ, and the record of what install did. Sourced, never run.
#
# Secrets travel in environment variables of single commands and on stdin, never as arguments.

NAME=log-forwarding-kinesis
NAMESPACE=${NAMESPACE:-openshift-logging}
readonly LOGGING_NAMESPACE=openshift-logging   # where the collector's shared resources live, always
STATE_NAME=$NAME-install                       # the ConfigMap that remembers what was there before
AUTH_SECRET=$NAME-auth
AWS_SECRET=$NAME-aws
POLL_SECONDS=${POLL_SECONDS:-2}
DRY_RUN=${DRY_RUN:-}
TIMEOUT=600                                    # seconds, for each wait
HELM_SECONDS=${HELM_SECONDS:-30}               # what a call of Helm's may take that another process makes
HELM_LABELS=app.kubernetes.io/managed-by=Helm,app.kubernetes.io/instance=$NAME
# A collector's pods can have the same instance: only with the name too are these the forwarder's.
SELECTOR=app.kubernetes.io/name=penstock,app.kubernetes.io/instance=$NAME
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say()  { printf '%s\n' "$*" >&2; }
step() { printf -- '- %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'error: %s (see --help)\n' "$*" >&2; exit 2; }

# "10m", "90s", "1h" or bare seconds, in seconds
seconds_of() {
  local text=$1
  [[ $text =~ ^([0-9]+)([smh]?)$ ]] || usage_error "'$text' is not a duration; write 90s, 10m or 1h"
  case ${BASH_REMATCH[2]} in
    m) echo $((BASH_REMATCH[1] * 60)) ;;
    h) echo $((BASH_REMATCH[1] * 3600)) ;;
    *) echo "${BASH_REMATCH[1]}" ;;
  esac
}

need_tools() {
  if command -v oc >/dev/null; then KUBE=oc
  elif command -v kubectl >/dev/null; then KUBE=kubectl
  else die "neither oc nor kubectl is on the PATH; install one and log in to the cluster"
  fi
  command -v helm >/dev/null || die "helm is not on the PATH; install Helm 3 or 4 (https://helm.sh/docs/intro/install)"
  [[ $(helm version --template '{{.Version}}' 2>/dev/null) =~ ^v([3-9]|[1-9][0-9]+)\.([0-9]+) ]] ||
    die "the helm on the PATH ($(command -v helm)) is not Helm 3 or later; install one" \
        "(https://helm.sh/docs/intro/install)"
  # The server's answers to the chart's look-ups are part of what would be installed; before 3.13 Helm did not ask.
  HELM_DRY_RUN=--dry-run
  ((BASH_REMATCH[1] == 3 && BASH_REMATCH[2] < 13)) || HELM_DRY_RUN="--dry-run=server"
  command -v jq >/dev/null || die "jq is not on the PATH; install it (dnf install jq, apt-get install jq," \
      "brew install jq)"
  local answer
  # Unlike /version, not for those who have not logged in.
  answer=$("$KUBE" get --raw /apis 2>&1) ||
    die "the cluster does not answer $KUBE: $(tail -n 1 <<<"$answer"); log in first ('oc login …') or set KUBECONFIG"
}

kube() { "$KUBE" "$@"; }

# wait_for SECONDS COMMAND…: 0 as soon as it succeeds, 1 when the time is over
wait_for() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep "$POLL_SECONDS"
  done
}

# get KIND NAME NAMESPACE: JSON, or "null" when it does not exist
get() {
  local answer
  answer=$(kube get "$1" "$2" -n "$3" --ignore-not-found -o json) ||
    die "cannot read $1/$2 in namespace $3: the message above says why; see 'Permissions' in doc/openshift.md"
  echo "${answer:-null}"
}

# served GROUP/VERSION RESOURCE
served() {
  kube get --raw "/apis/$1" 2>/dev/null | jq -e --arg r "$2" 'any(.resources[]; .name == $r)' >/dev/null
}

# Kinds of Prometheus' operator, of which the chart makes objects where they are served
monitoring_kinds() {
  { kube get --raw /apis/monitoring.coreos.com/v1 2>/dev/null || echo '{}'; } |
    jq -r '.resources[]? | select(.name == ("servicemonitors", "prometheusrules")) | .name + ".monitoring.coreos.com"'
}

# What one may do in a namespace, as the API server lists it: one request instead of one per verb and resource.
rules_in() {
  jq -nc --arg ns "$1" \
    '{apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: {namespace: $ns}}' |
    kube create --validate=false -f - -o json 2>/dev/null | jq -c '.status.resourceRules // []' || echo '[]'
}

# Lines "VERB RESOURCE[/SUBRESOURCE][.GROUP] NAMESPACE" on stdin; prints those that are refused. What the list does
# not allow is asked for singly, since some authorizers cannot list.
missing_permissions() {
  local wanted namespace
  wanted=$(sort -u -k3,3 -k2,2 -k1,1)
  for namespace in $(awk '{print $3}' <<<"$wanted" | uniq); do
    rules_in "$namespace" | jq -r --arg wanted "$wanted" --arg namespace "$namespace" '
      def has($list; $x): $list // [] | index($x) != null or index("*") != null;
      . as $rules | $wanted / "\n" | .[] / " " | select(.[2] == $namespace) | . as [$verb, $name]
      | ($name | split(".")) as [$resource] | ($name | ltrimstr($resource) | ltrimstr(".")) as $group
      | select(any($rules[]; has(.verbs; $verb) and has(.apiGroups; $group) and has(.resources; $resource)
          and ((.resourceNames // []) == [])) | not)
      | "\($verb) \($name)"' | refused_in "$namespace"
  done
}

# Lines "VERB RESOURCE[/SUBRESOURCE][.GROUP]" on stdin; prints those that the API server refuses, or does not answer.
refused_in() {
  local asked answers
  asked=$(cat)
  [[ -n $asked ]] || return 0
  answers=$(jq -Rn --arg ns "$1" '{apiVersion: "v1", kind: "List", items: [inputs / " " | . as [$verb, $name]
      | ($name | split(".")) as [$resource] | ($resource / "/") as [$kind, $part]
      | {apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: {resourceAttributes:
          {$verb, namespace: $ns, resource: $kind, subresource: ($part // ""),
           group: ($name | ltrimstr($resource) | ltrimstr("."))}}}]}' <<<"$asked" |
    kube create --validate=false -f - -o json 2>/dev/null) || true
  jq -rn --arg ns "$1" --arg asked "$asked" '
    [inputs | .items[]? // . | select(.status.allowed == true) | .spec.resourceAttributes
      | .verb + " " + .resource + (if .subresource // "" == "" then "" else "/" + .subresource end)
        + (if .group // "" == "" then "" else "." + .group end)] as $allowed
    | $asked / "\n" - $allowed | .[] | "\(.) in \($ns)"' <<<"$answers"
}

need_permissions() {
  local missing
  missing=$(missing_permissions)
  [[ -z $missing ]] || die "you may not do all that is needed; ask a cluster administrator, or for these:
    ${missing//$'\n'/$'\n'    }"
}

# What jq hides when it shows a Secret.
redact() { jq 'if .kind == "Secret" then .data |= with_entries(.value = "(not shown)") else . end'; }

# write VERB < object: create or replace, or with --dry-run only show it
write() {
  if [[ -n $DRY_RUN ]]; then
    local object; object=$(cat)
    say "would $1 $(jq -r '"\(.kind)/\(.metadata.name) in \(.metadata.namespace)"' <<<"$object"):"
    redact <<<"$object" | jq 'del(.metadata.managedFields, .metadata.resourceVersion, .metadata.uid,
      .metadata.creationTimestamp, .metadata.generation, .status)' | sed 's/^/    /'
    return
  fi
  # The resourceVersion inside makes a replace fail when someone else was faster. Validation by the client would list
  # the CRDs, for which one needs rights that nothing here needs.
  kube "$1" --validate=false -f - >/dev/null
}

remove() {  # remove KIND NAME NAMESPACE
  if [[ -n $DRY_RUN ]]; then say "would delete $1/$2 in $3"; return; fi
  kube delete "$1" "$2" -n "$3" --ignore-not-found --timeout="${TIMEOUT}s" >/dev/null
}

# Was this object made by the install script?
ours() { jq -e --arg by "$NAME-install" '.metadata.labels["app.kubernetes.io/managed-by"] == $by' <<<"$1" >/dev/null; }

# ensure_secret NAMESPACE NAME < {"key": "base64", …}
# Makes the Secret, or brings ours up to date. In a Secret of someone else's, missing keys are added (and
# remembered, for uninstall); a key with another value is never overwritten.
ensure_secret() {
  local namespace=$1 name=$2 data current added
  data=$(cat)
  current=$(get secret "$name" "$namespace")
  if [[ $current == null ]]; then
    DATA=$data jq -n --arg name "$name" --arg ns "$namespace" --arg by "$NAME-install" '
      {apiVersion: "v1", kind: "Secret", type: "Opaque", data: (env.DATA | fromjson),
       metadata: {name: $name, namespace: $ns, labels: {"app.kubernetes.io/managed-by": $by}}}' | write create
    return
  fi
  DATA=$data jq -e '.data as $d | env.DATA | fromjson | to_entries | all($d[.key] == .value) | not' \
    <<<"$current" >/dev/null || return 0
  if ! ours "$current"; then
    DATA=$data jq -e '(.data // {}) as $d | env.DATA | fromjson | to_entries
      | all(. as {$key, $value} | ($d | has($key) | not) or $d[$key] == $value)' <<<"$current" >/dev/null ||
      die "secret $name in $namespace exists, was not made by this script and holds other values; rename or" \
          "delete it, then run this again"
    added=$(DATA=$data jq -c '(.data // {}) as $d | env.DATA | fromjson | keys - ($d | keys)' <<<"$current")
    state_update --arg name "$name" --argjson added "$added" '
      .merged[$name] = ((.merged[$name] // []) + $added | unique)'
  fi
  DATA=$data jq '.data = ((.data // {}) + (env.DATA | fromjson))' <<<"$current" | write replace
}

# Takes out what ensure_secret put in.
remove_secret() {  # remove_secret NAMESPACE NAME
  local current keys
  current=$(get secret "$2" "$1")
  [[ $current != null ]] || return 0
  if ours "$current"; then
    remove secret "$2" "$1"
    return
  fi
  keys=$(jq -c --arg name "$2" '.merged[$name] // []' <<<"$STATE")
  [[ $keys == "[]" ]] ||
    jq --argjson keys "$keys" 'reduce $keys[] as $k (.; del(.data[$k])) | if .data == {} then del(.data) else . end' \
      <<<"$current" | write replace
}

# ---- the record of what install did, kept in the cluster ---------------------------------------------

STATE='{}'

state_load() {
  STATE=$(get configmap "$STATE_NAME" "$NAMESPACE" |
    jq -c 'if . == null then {} else .data["state.json"] | fromjson end')
}

# state_update JQ-ARGUMENTS…: changes what the cluster has, which may be newer than STATE here: parts of a pipeline
# are processes of their own.
state_update() {
  local object changed
  if [[ -n $DRY_RUN ]]; then STATE=$(jq -c "$@" <<<"$STATE"); return; fi
  object=$(get configmap "$STATE_NAME" "$NAMESPACE")
  STATE=$(jq -c 'if . == null then {} else .data["state.json"] | fromjson end' <<<"$object")
  changed=$(jq -c "$@" <<<"$STATE")
  [[ $changed != "$STATE" ]] || return 0
  STATE=$changed
  if [[ $object == null ]]; then
    jq -n --arg name "$STATE_NAME" --arg ns "$NAMESPACE" --arg by "$NAME-install" --arg state "$STATE" '
      {apiVersion: "v1", kind: "ConfigMap", data: {"state.json": $state},
       metadata: {name: $name, namespace: $ns, labels: {"app.kubernetes.io/managed-by": $by}}}' | write create
  else
    jq --arg state "$STATE" '.data["state.json"] = $state' <<<"$object" | write replace
  fi
}

state() { jq -r "$1 // empty" <<<"$STATE"; }

# ---- the forwarder's pods ------------------------------------------------------------------------------

# 48 letters and digits
random_key() { head -c 96 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | cut -c1-48; }

release_status() {
  helm status "$NAME" -n "$NAMESPACE" -o json 2>/dev/null | jq -r .info.status || true
}

release_at_rest() { [[ $(release_status) != pending-* && $(release_status) != uninstalling ]]; }

# A call of Helm's that was cut short leaves a revision that Helm itself will not go on from. Without that revision
# the next call takes over what the last one made, so that the Service keeps its address.
forget_unfinished_revision() {
  local status
  status=$(release_status)
  [[ $status == pending-* || $status == uninstalling ]] || return 0
  [[ -z $DRY_RUN ]] || { say "  would forget the Helm revision that is $status"; return 0; }
  say "  the Helm release is $status: another run of helm is in progress, or one was interrupted"
  if wait_for "$HELM_SECONDS" release_at_rest; then return 0; fi
  state_update '.unfinished = true'   # what it changed may differ from what the last whole revision says
  kube delete secret -n "$NAMESPACE" -l "owner=helm,name=$NAME,status=$(release_status)" >/dev/null
}

# Is everything there that the manifest on stdin names?
all_exist() { kube get -n "$NAMESPACE" -f - -o name >/dev/null 2>&1; }

# Makes again what others have deleted of the release: its pods need it to deliver what they hold.
restore_release() {
  local revision answer
  [[ $(release_status) == deployed ]] || return 0
  ! helm get manifest "$NAME" -n "$NAMESPACE" | all_exist || return 0
  if [[ -n $DRY_RUN ]]; then say "would restore objects of the Helm release $NAME that are missing"; return; fi
  revision=$(helm status "$NAME" -n "$NAMESPACE" -o json | jq .version)
  answer=$(helm rollback "$NAME" "$revision" -n "$NAMESPACE" --timeout "${TIMEOUT}s" 2>&1) ||
    die "objects of the forwarder are missing and cannot be restored: $answer"
}

# Deletes what Helm made for this release and has lost sight of, because a call was cut short or failed on the way.
# The manifest whose objects stay is on stdin.
sweep_release() {
  local kinds=statefulsets.apps,services,serviceaccounts,configmaps,secrets,horizontalpodautoscalers.autoscaling
  local kept kind name
  kinds+=,poddisruptionbudgets.policy,networkpolicies.networking.k8s.io
  kinds+=,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io
  for kind in $(monitoring_kinds); do kinds+=,$kind; done
  kept=$(cat)
  [[ -z $kept ]] ||
    kept=$(kube get -n "$NAMESPACE" -f - --ignore-not-found -o json <<<"$kept" | jq -c '[.items // [.] | .[].metadata.uid]')
  {
    kube get "$kinds" -n "$NAMESPACE" -l "$HELM_LABELS" -o json
    # Only a collector of our own has some; who installs for the other ones may not be allowed to look.
    kube get clusterrolebindings.rbac.authorization.k8s.io -l "$HELM_LABELS" -o json 2>/dev/null || echo '{"items": []}'
  } | jq -r --arg name "$NAME" --arg ns "$NAMESPACE" --argjson kept "${kept:-[]}" '
    .items[] | select(.metadata.annotations | .["meta.helm.sh/release-name"] == $name
      and .["meta.helm.sh/release-namespace"] == $ns)
    | select(.metadata.uid as $uid | $kept | index($uid) == null)
    | "\(.kind | ascii_downcase).\(.apiVersion | split("/") | if length > 1 then "\(.[1]).\(.[0])" else "" end) \(.metadata.name)"' |
    while read -r kind name; do
      remove "${kind%.}" "$name" "$NAMESPACE" </dev/null
    done
}

forwarder_pods() { kube get pods -n "$NAMESPACE" -l "$SELECTOR" -o name | sed 's|^pod/||'; }

# pod_page POD PATH: of the admin port, by way of the API server. With admin.secure that port wants a token, which the API
# server does not pass on: then the page is read inside the pod.
pod_page() {
  local port
  port=$(kube get pod "$1" -n "$NAMESPACE" -o 'jsonpath={.spec.containers[*].ports[?(@.name=="admin")].containerPort}') || return 1
  if [[ ${port:-9880} == 9880 ]]; then
    kube get --raw "/api/v1/namespaces/$NAMESPACE/pods/$1:9880/proxy/$2" 2>/dev/null
  else
    kube exec -n "$NAMESPACE" "$1" -c penstock -- penstock top --page "$2" 2>/dev/null
  fi
}

# pod_figure POD METRIC: the sum over its labels; fails when it cannot be read
pod_figure() {
  local text
  text=$(pod_page "$1" metrics) || return 1
  awk -v metric="$2" '
    index($1, metric "{") == 1 || $1 == metric { sum += $NF; seen = 1 }
    END { if (!seen) exit 1; printf "%.0f\n", sum }' <<<"$text"
}
