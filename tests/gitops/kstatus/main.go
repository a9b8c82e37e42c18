// kstatus reads a resource as JSON and prints what Flux takes it for: InProgress, Current, Failed, Terminating.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	var resource unstructured.Unstructured
	if err := resource.UnmarshalJSON(body); err != nil {
		log.Fatal(err)
	}
	result, err := status.Compute(&resource)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Status)
}
