# What install adds to a custom resource of the collector, and what uninstall takes out again. Pure: the
# resource on stdin, the resource as it shall be on stdout.
#
# $w, the wiring: {way, name, namespace, host, secret, forwarder, types, keepDefault, output, schema}
#   way          logforwarding | fluentdForward | http | ownV1 | ownD  (see collector_wiring.sh)
#   forwarder    the ClusterLogForwarder of ownV1 and ownD. Not $w.name: the operator overwrites a Service, a
#                ServiceMonitor and a ConfigMap NAME-config named after a ClusterLogForwarder NAME
#   types        of application, infrastructure, audit
#   keepDefault  re-declare the operator's own store, which our pipelines would otherwise switch off
#   schema       which optional fields the cluster's CRD knows

def source_of: {application: "logs.app", infrastructure: "logs.infra", audit: "logs.audit"}[.];

def upsert($items):
  reduce $items[] as $item (. // [];
    if any(.[]; .name == $item.name)
    then map(if .name == $item.name then . * $item else . end)
    else . + [$item] end);

def without($names): map(select(.name as $name | $names | index($name) | not));

# every name that any version of install has given to something inside a shared resource
def our_outputs($w): [$w.name, $w.name + "-es"];
def our_pipelines($w): [$w.name] + [("app", "infra", "audit", "default", "default-app", "default-infra") | $w.name + "-" + .];

def https_url($w): "https://\($w.host):8443/";

def outputs_v1alpha1($w):
  [{name: $w.name, type: "forward", endpoint: "\($w.host):24224", secret: {name: $w.secret}}]
  + if $w.keepDefault
    then [{name: ($w.name + "-es"), type: "elasticsearch",
           endpoint: "elasticsearch.openshift-logging.svc:9200", secret: {name: "fluentd"}}]
    else [] end;

def pipelines_v1alpha1($w):
  [$w.types[] | {name: ($w.name + "-" + (source_of | ltrimstr("logs."))), inputSource: source_of, outputRefs: [$w.name]}]
  + if $w.keepDefault
    then [("app", "infra") | {name: ($w.name + "-default-" + .), inputSource: ("logs." + .), outputRefs: [$w.name + "-es"]}]
    else [] end;

def outputs_v1($w):
  if $w.way == "fluentdForward"
  then [{name: $w.name, type: "fluentdForward", url: "tls://\($w.host):24224", secret: {name: $w.secret}}]
  else [{name: $w.name, type: "http", url: https_url($w), http: {method: "POST"}, secret: {name: $w.secret}}
        + if $w.schema.tuning then {tuning: {delivery: "AtLeastOnce", compression: "gzip"}} else {} end]
  end;

def pipelines_v1($w):
  [{name: $w.name, inputRefs: $w.types, outputRefs: [$w.name]}]
  + if $w.keepDefault
    then [{name: ($w.name + "-default"), inputRefs: ["application", "infrastructure"], outputRefs: ["default"]}]
    else [] end;

def add_to_shared($w; $outputs; $pipelines):
  .spec.outputs = (.spec.outputs | upsert($outputs))
  | .spec.pipelines = (.spec.pipelines | upsert($pipelines)
      | without(our_pipelines($w) - [$pipelines[].name]));

# A resource that did not exist before. gen A: with an empty pipeline list the operator would forward by itself.
def fresh($w):
  if $w.way == "logforwarding"
  then {apiVersion: "logging.openshift.io/v1alpha1", kind: "LogForwarding",
        metadata: {name: "instance", namespace: "openshift-logging"}, spec: {disableDefaultForwarding: true}}
  else {apiVersion: "logging.openshift.io/v1", kind: "ClusterLogForwarder",
        metadata: {name: "instance", namespace: "openshift-logging"}, spec: {}}
  end;

def own_v1($w):
  {apiVersion: "logging.openshift.io/v1", kind: "ClusterLogForwarder",
   metadata: {name: $w.forwarder, namespace: $w.namespace, labels: {"app.kubernetes.io/managed-by": ($w.name + "-install")}},
   spec: {serviceAccountName: ($w.name + "-collector"), outputs: outputs_v1($w), pipelines: pipelines_v1($w)}};

def own_observability($w):
  {token: {from: "serviceAccount"}} as $auth
  | {ca: {key: "service-ca.crt", configMapName: ($w.name + "-ca")}} as $tls
  | {apiVersion: "observability.openshift.io/v1", kind: "ClusterLogForwarder",
     metadata: ({name: $w.forwarder, namespace: $w.namespace, labels: {"app.kubernetes.io/managed-by": ($w.name + "-install")}}
       + if $w.output == "otlp"
         then {annotations: {"observability.openshift.io/tech-preview-otlp-output": "enabled"}} else {} end),
     spec: {
       managementState: "Managed",
       serviceAccount: {name: ($w.name + "-collector")},
       outputs: [
         if $w.output == "otlp"
         then {name: $w.name, type: "otlp", tls: $tls,
               otlp: {url: (https_url($w) + "v1/logs"), authentication: $auth, tuning: {compression: "gzip"}}}
         else {name: $w.name, type: "http", tls: $tls,
               http: ({url: https_url($w), method: "POST", authentication: $auth,
                       tuning: {deliveryMode: "AtLeastOnce", compression: "gzip", maxWrite: "4M"}}
                      + if $w.schema.format then {format: "ndjson"} else {} end)}
         end],
       pipelines: [{name: $w.name, inputRefs: $w.types, outputRefs: [$w.name]}]}};

# stdin: the resource as it is, or null
def wire($w):
  if $w.way == "ownV1" then (. // {}) * own_v1($w)
  elif $w.way == "ownD" then (. // {}) * own_observability($w)
  elif $w.way == "logforwarding"
  then (. // fresh($w)) | add_to_shared($w; outputs_v1alpha1($w); pipelines_v1alpha1($w))
  else (. // fresh($w)) | add_to_shared($w; outputs_v1($w); pipelines_v1($w))
  end;

# Pipelines of others that send to our outputs lose that reference, and go when it was their only one.
def drop_references($names):
  map(if (.outputRefs // []) - $names == (.outputRefs // []) then .
      else .outputRefs |= . - $names | select(.outputRefs | length > 0) end);

# stdin: a shared resource as it is. $before: as it was before install, or null. Gives null when nothing but
# what install made is left of a resource that install made.
def unwire($w; $before):
  .spec.pipelines = ((.spec.pipelines // []) | without(our_pipelines($w)) | drop_references(our_outputs($w)))
  | .spec.outputs = ((.spec.outputs // []) | without(our_outputs($w)))
  | if .spec.outputs == [] and (($before.spec // {}) | has("outputs") | not) then del(.spec.outputs) else . end
  | if .spec.pipelines == [] and (($before.spec // {}) | has("pipelines") | not) then del(.spec.pipelines) else . end
  | if $before == null
       and (.spec | del(.disableDefaultForwarding)) == {}
       and ((.metadata.labels // {}) == {}) and ((.metadata.annotations // {}) == {})
    then null else . end;

# stdin: apiservers.config.openshift.io/cluster. What the chart is told of its TLS profile; nothing for Intermediate, which
# is what penstock does by itself, and for Old, which allows more. Of a profile of the user's own, the ciphers that have
# forward secrecy. $fluentd: the collector speaks TLS 1.2 only.
def tls_of_profile($fluentd):
  (.spec.tlsSecurityProfile // {}) as $profile
  | if $profile.type == "Modern"
    then {minVersion: "1.3", ciphers: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]}
    elif $profile.type == "Custom"
    then {minVersion: (if $profile.custom.minTLSVersion == "VersionTLS13" then "1.3" else "1.2" end),
          ciphers: [$profile.custom.ciphers[]? | select(test("^(TLS_|(ECDHE-(ECDSA|RSA)|DHE-RSA)-(AES(128|256)-|CHACHA20-))"))]}
    else {} end
  | if $fluentd and .minVersion == "1.3" then .minVersion = "1.2" | .kept = true else . end;

# what two copies of a resource are compared by
def content: {spec, data, labels: (.metadata.labels // {}), annotations: (.metadata.annotations // {})};

# stdin: the /api/status of every pod, slurped. What became of each kind of log: nothing has come (missing), some has
# come and none of it is delivered yet (arrived), some is delivered. Where no route asks for the kind, logs of any
# kind count, and the answer is untold instead of delivered.
def arrivals($types):
  def total(f): map(f) | add;
  ([.[].routes[]?] | group_by([.condition, .stream])
    | map({condition: .[0].condition, stream: .[0].stream, events: total(.events)})) as $routes
  | ([.[].streams[]?] | group_by(.name)
    | map({key: .[0].name, value: {delivered: total(.events_delivered), pending: total(.events_pending)}})
    | from_entries) as $streams
  | [$types[] as $type
     | [$routes[] | select(.condition | split(", ") | index("log_type: " + $type))] as $asked
     | (if $asked == [] then $routes else $asked end | map(select(.events > 0))) as $took
     # Of a stream that several kinds share, one of this kind is delivered when more of it came than is pending at all.
     | any($took[]; . as $route
         | ([$routes[] | select(.stream == $route.stream and .events > 0)] - $took == []) as $alone
         | $streams[.stream] | .delivered > 0 and ($asked == [] or $alone or .pending < $route.events)) as $delivered
     | {$type, streams: ([$took[].stream] | unique),
        state: (if $took == [] then "missing" elif $delivered | not then "arrived"
                elif $asked == [] then "untold" else "delivered" end)}];

def last_error: [.[].last_errors[]? | "\(.where): \(.message)"] | last // "";
