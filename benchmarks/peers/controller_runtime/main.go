// A controller-runtime operator that makes the same kinds and numbers of objects for a Pipeline as
// levada-operator does, to be measured beside it (bench_operator.py). It has controller-runtime's
// default caches: every object of a kind that it makes, decoded. An object is applied when it is
// missing or when its hash is another; what people change by hand is not put right, and Kafka is
// not looked at. So it does less.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	manager = "peer-operator"
	hash    = "peer.levada.dev/hash"
)

var pipelineKind = schema.GroupVersionKind{Group: "levada.dev", Version: "v1alpha1", Kind: "Pipeline"}

type reconciler struct{ client.Client }

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	pipeline := &unstructured.Unstructured{}
	pipeline.SetGroupVersionKind(pipelineKind)
	if err := r.Get(ctx, request.NamespacedName, pipeline); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	objects, err := wanted(pipeline)
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, object := range objects {
		if err := r.apply(ctx, pipeline, object); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, r.writeStatus(ctx, pipeline)
}

func (r *reconciler) apply(ctx context.Context, pipeline *unstructured.Unstructured, object client.Object) error {
	if _, volume := object.(*corev1.PersistentVolumeClaim); !volume {
		if err := ctrl.SetControllerReference(pipeline, object, r.Scheme()); err != nil {
			return err
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	now := hex.EncodeToString(sum[:8])
	live := object.DeepCopyObject().(client.Object)
	err = r.Get(ctx, client.ObjectKeyFromObject(object), live)
	if err == nil && live.GetAnnotations()[hash] == now {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	object.SetAnnotations(map[string]string{hash: now})
	return r.Patch(ctx, object, client.Apply, client.ForceOwnership, client.FieldOwner(manager))
}

func (r *reconciler) writeStatus(ctx context.Context, pipeline *unstructured.Unstructured) error {
	generation := pipeline.GetGeneration()
	if applied, _, _ := unstructured.NestedInt64(pipeline.Object, "status", "appliedGeneration"); applied == generation {
		return nil
	}
	status := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": pipeline.GetName(), "namespace": pipeline.GetNamespace()},
		"status": map[string]any{
			"observedGeneration": generation,
			"appliedGeneration":  generation,
			"conditions": []any{map[string]any{
				"type": "TopicsReady", "status": "True", "reason": "Made", "message": "all is made",
				"observedGeneration": generation, "lastTransitionTime": metav1.Now().UTC().Format("2006-01-02T15:04:05Z"),
			}},
		},
	}}
	status.SetGroupVersionKind(pipelineKind)
	return r.Status().Patch(ctx, status, client.Apply, client.ForceOwnership, client.FieldOwner(manager))
}

type stage struct{ pipeline, namespace, name, kind, slice string }

func (s stage) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/component": s.name, "app.kubernetes.io/instance": s.pipeline,
		"app.kubernetes.io/managed-by": "levada", "app.kubernetes.io/name": "levada-" + s.kind,
		"app.kubernetes.io/part-of": "levada", "levada.dev/pipeline": s.pipeline, "levada.dev/stage": s.name,
	}
}

func (s stage) selector() map[string]string {
	return map[string]string{"levada.dev/pipeline": s.pipeline, "levada.dev/stage": s.name}
}

func (s stage) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: s.namespace, Labels: s.labels()}
}

func of(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

func wanted(pipeline *unstructured.Unstructured) ([]client.Object, error) {
	name, namespace := pipeline.GetName(), pipeline.GetNamespace()
	whole := stage{name, namespace, "", "pipeline", ""}
	objects := []client.Object{
		&corev1.ServiceAccount{TypeMeta: of("v1", "ServiceAccount"), ObjectMeta: whole.meta(name + "-levada")},
		service(whole, name+"-levada", 9600),
	}
	stages, _, err := unstructured.NestedSlice(pipeline.Object, "spec", "stages")
	if err != nil {
		return nil, err
	}
	var rows []stage
	for _, item := range stages {
		fields := item.(map[string]any)
		one := stage{name, namespace, fields["name"].(string), "", ""}
		for _, kind := range []string{"ingest", "scoring", "indexing", "archiving", "notify"} {
			if _, is := fields[kind]; is {
				one.kind = kind
			}
		}
		slice, err := json.MarshalIndent(map[string]any{
			"apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
			"metadata": map[string]any{"name": name, "namespace": namespace},
			"spec":     map[string]any{"stages": []any{fields}},
		}, "", "  ")
		if err != nil {
			return nil, err
		}
		one.slice = string(slice)
		rows = append(rows, one)
		objects = append(objects, ofStage(one)...)
	}
	return append(objects, dashboard(whole, rows)), nil
}

func ofStage(s stage) []client.Object {
	name := s.pipeline + "-" + s.name
	sum := sha256.Sum256([]byte(s.slice))
	slice := name + "-" + hex.EncodeToString(sum[:8])
	one, immutable := intstr.FromInt32(1), true
	port := intstr.FromString("metrics")
	objects := []client.Object{
		&corev1.ConfigMap{TypeMeta: of("v1", "ConfigMap"), ObjectMeta: s.meta(slice), Immutable: &immutable,
			Data: map[string]string{"slice.yaml": s.slice}},
		&policyv1.PodDisruptionBudget{TypeMeta: of("policy/v1", "PodDisruptionBudget"), ObjectMeta: s.meta(name),
			Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one,
				Selector: &metav1.LabelSelector{MatchLabels: s.selector()}}},
		&networkingv1.NetworkPolicy{TypeMeta: of("networking.k8s.io/v1", "NetworkPolicy"), ObjectMeta: s.meta(name),
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: s.selector()},
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
				Ingress:     []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: &port}}}},
			}},
	}
	if s.kind == "ingest" {
		objects = append(objects, service(s, name, 8080))
	}
	if s.kind == "archiving" {
		objects = append(objects, &corev1.PersistentVolumeClaim{
			TypeMeta: of("v1", "PersistentVolumeClaim"), ObjectMeta: s.meta(name),
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}},
			}})
	}
	return append(objects, deployment(s, name, slice))
}

func service(s stage, name string, port int32) client.Object {
	return &corev1.Service{TypeMeta: of("v1", "Service"), ObjectMeta: s.meta(name),
		Spec: corev1.ServiceSpec{Selector: s.selector(), Ports: []corev1.ServicePort{{Name: "http", Port: port}}}}
}

func probe(path string, failures int32) *corev1.Probe {
	return &corev1.Probe{FailureThreshold: failures, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("metrics")}}}
}

func deployment(s stage, name, slice string) client.Object {
	replicas, user, yes, no := int32(1), int64(65532), true, false
	pod := corev1.PodSpec{
		ServiceAccountName: s.pipeline + "-levada", AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user},
		Containers: []corev1.Container{{
			Name: "worker", Image: "levada", Command: []string{"levada-" + s.kind},
			Args: []string{"--pipeline", "/etc/levada/files/slice.yaml", "--stage", s.name, "--listen", "0.0.0.0",
				"--http-port", "9600", "--grpc-port", "9601", "--log-format", "json"},
			Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9600}, {Name: "control", ContainerPort: 9601}},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			LivenessProbe: probe("/healthz", 3), ReadinessProbe: probe("/readyz", 2), StartupProbe: probe("/healthz", 300),
			VolumeMounts: []corev1.VolumeMount{
				{Name: "slice", MountPath: "/etc/levada/files/slice.yaml", SubPath: "slice.yaml", ReadOnly: true},
				{Name: "tmp", MountPath: "/tmp"}},
		}},
		Volumes: []corev1.Volume{
			{Name: "slice", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: slice}}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}
	return &appsv1.Deployment{TypeMeta: of("apps/v1", "Deployment"), ObjectMeta: s.meta(name),
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: s.selector()},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: s.labels()}, Spec: pod}}}
}

// About as large as levada-operator's.
func dashboard(whole stage, rows []stage) client.Object {
	var panels []any
	for _, row := range rows {
		for id := range 15 {
			metric := fmt.Sprintf("levada_panel_%d", id)
			panels = append(panels, map[string]any{
				"id": len(panels) + 1, "type": "timeseries", "title": row.name + " " + metric,
				"datasource": map[string]any{"type": "prometheus", "uid": "${prometheus}"},
				"gridPos":    map[string]any{"h": 8, "w": 8, "x": 8 * (id % 3), "y": 8 * (len(panels) / 3)},
				"fieldConfig": map[string]any{"overrides": []any{}, "defaults": map[string]any{"unit": "short", "noValue": "-",
					"thresholds": map[string]any{"mode": "absolute", "steps": []any{map[string]any{"color": "green", "value": nil}}}}},
				"targets": []any{map[string]any{
					"expr": fmt.Sprintf("sum by (stage) (rate(%s{namespace=%q,pipeline=%q,stage=%q}[$__rate_interval]))",
						metric, row.namespace, row.pipeline, row.name),
					"legendFormat": "{{stage}}", "refId": "A"}},
			})
		}
	}
	text, _ := json.Marshal(map[string]any{"title": whole.pipeline, "panels": panels, "editable": false})
	meta := whole.meta(whole.pipeline + "-levada-dashboard")
	meta.Labels["grafana_dashboard"] = "1"
	return &corev1.ConfigMap{TypeMeta: of("v1", "ConfigMap"), ObjectMeta: meta,
		Data: map[string]string{whole.pipeline + ".json": string(text)}}
}

func run() error {
	address := flag.String("metrics", "127.0.0.1:0", "address of the metrics")
	workers := flag.Int("workers", 4, "pipelines that are looked at at the same time (controller-runtime's default is 1)")
	qps := flag.Float64("qps", 300, "requests a second, with bursts of twice as many (controller-runtime's default is 20)")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = float32(*qps), int(2**qps)
	made, err := ctrl.NewManager(config, ctrl.Options{Metrics: server.Options{BindAddress: *address}})
	if err != nil {
		return err
	}
	pipeline := &unstructured.Unstructured{}
	pipeline.SetGroupVersionKind(pipelineKind)
	err = ctrl.NewControllerManagedBy(made).Named("pipelines").For(pipeline).
		Owns(&corev1.ServiceAccount{}).Owns(&corev1.Service{}).Owns(&corev1.ConfigMap{}).Owns(&appsv1.Deployment{}).
		Owns(&policyv1.PodDisruptionBudget{}).Owns(&networkingv1.NetworkPolicy{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(&reconciler{made.GetClient()})
	if err != nil {
		return err
	}
	return made.Start(ctrl.SetupSignalHandler())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
