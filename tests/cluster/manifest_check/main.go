// Checks rendered manifests against the API types of one release of Kubernetes: each kind must exist there,
// must not have been removed by then, and may have no field that its type does not know.
//
//	helm template … | manifest-check 1.25
//
// Built once per release, from that release's k8s.io modules (kubernetes-*.mod).
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// The types stay in k8s.io/api after the server has stopped serving them. First minor release without:
// https://kubernetes.io/docs/reference/using-api/deprecation-guide/
var removedIn = map[string]int{
	"extensions/v1beta1":                   16,
	"apps/v1beta1":                         16,
	"apps/v1beta2":                         16,
	"rbac.authorization.k8s.io/v1beta1":    22,
	"networking.k8s.io/v1beta1":            22,
	"batch/v1beta1":                        25,
	"policy/v1beta1":                       25,
	"autoscaling/v2beta1":                  25,
	"autoscaling/v2beta2":                  26,
	"flowcontrol.apiserver.k8s.io/v1beta1": 26,
	"flowcontrol.apiserver.k8s.io/v1beta2": 29,
	"scheduling.k8s.io/v1beta1":            22,
	"storage.k8s.io/v1beta1":               22,
	"coordination.k8s.io/v1beta1":          22,
	"apiextensions.k8s.io/v1beta1":         22,
	"admissionregistration.k8s.io/v1beta1": 22,
}

// Groups that are not Kubernetes' own, and so not in its modules.
var foreign = map[string]bool{"monitoring.coreos.com": true}

type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

func check(document []byte, minor int) error {
	var h head
	if err := yaml.Unmarshal(document, &h); err != nil {
		return err
	}
	kind := schema.FromAPIVersionAndKind(h.APIVersion, h.Kind)
	if removed, ok := removedIn[h.APIVersion]; ok && minor >= removed {
		return fmt.Errorf("%s %s: %s is not served from 1.%d on", h.Kind, h.Metadata.Name, h.APIVersion, removed)
	}
	if foreign[kind.Group] {
		return nil
	}
	object, err := scheme.Scheme.New(kind)
	if err != nil {
		return fmt.Errorf("%s %s: 1.%d has no %s", h.Kind, h.Metadata.Name, minor, kind)
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return fmt.Errorf("%s %s: %v", h.Kind, h.Metadata.Name, err)
	}
	return nil
}

func main() {
	if len(os.Args) != 2 || !strings.HasPrefix(os.Args[1], "1.") {
		fmt.Fprintln(os.Stderr, "usage: manifest-check 1.MINOR < manifests")
		os.Exit(2)
	}
	minor, err := strconv.Atoi(strings.TrimPrefix(os.Args[1], "1."))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	checked, failed := 0, 0
	for _, document := range bytes.Split(append([]byte("\n"), input...), []byte("\n---\n")) {
		if object := map[string]any{}; yaml.Unmarshal(document, &object) == nil && len(object) == 0 {
			continue // comments only
		}
		checked++
		if err := check(document, minor); err != nil {
			failed++
			fmt.Fprintln(os.Stderr, err)
		}
	}
	fmt.Printf("%d objects checked, %d failed\n", checked, failed)
	if failed > 0 || checked == 0 {
		os.Exit(1)
	}
}
