# What may leave the cluster: objects as they are, without what is secret or looks like it.

def hidden: "(not shown)";

def secret_name: test("pass(word|phrase)|secret|token|authorization|credential|shared_?key|access_?key|api_?key"; "i")
  and (test("(_FILE|Name|Key)$") | not);

def hide_secrets:
  walk(
    if type == "string" then gsub("://[^/@\\s]+@"; "://" + hidden + "@")
    elif type != "object" then .
    elif .kind == "Secret" then .data = ((.data // {}) | map_values(hidden)) | del(.stringData)
    else
      with_entries(if (.value | type) == "string" and (.key | secret_name) then .value = hidden else . end)
      | if (.headers | type) == "object" then .headers |= map_values(hidden) else . end
      | if (.name | type) == "string" and (.value | type) == "string" and (.name | secret_name) then .value = hidden else . end
    end);

# The record of an install keeps objects inside a text.
def without_secrets:
  hide_secrets
  | walk(if type == "object" and has("state.json") then ."state.json" |= (fromjson | hide_secrets | tojson) else . end);
