// The API types of Kubernetes 1.16.
module penstock/tests/cluster/manifest_check

go 1.24.0

require (
	k8s.io/apimachinery v0.16.15
	k8s.io/client-go v0.16.15
	sigs.k8s.io/yaml v1.4.0
)

require k8s.io/api v0.16.15 // indirect

require (
	github.com/gogo/protobuf v1.2.2-0.20190723190241-65acae22fc9d // indirect
	github.com/google/gofuzz v1.0.0 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
	k8s.io/klog v1.0.0 // indirect
)

// These releases ask for versions that today's Go no longer runs.
require (
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	golang.org/x/net v0.38.0 // indirect
	golang.org/x/text v0.23.0 // indirect
)
