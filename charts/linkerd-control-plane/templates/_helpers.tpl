{{- /* Labels of every object. */ -}}
{{- define "linkerd.labels" -}}
linkerd.io/control-plane-ns: {{ .Release.Namespace }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "linkerd.version" -}}
{{ default .Chart.AppVersion .Values.linkerdVersion }}
{{- end -}}

{{- define "linkerd.createdBy" -}}
linkerd.io/created-by: linkerd/cli {{ include "linkerd.version" . }}
{{- end -}}

{{- /* What the pods of all deployments have in common. */ -}}
{{- define "linkerd.pod" -}}
nodeSelector:
  {{- toYaml .Values.nodeSelector | nindent 2 }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "linkerd.container" -}}
image: {{ .Values.controllerImage }}:{{ include "linkerd.version" . }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
env:
- name: LINKERD_NAMESPACE
  value: {{ .Release.Namespace }}
- name: LINKERD_LOG
  value: {{ .Values.controllerLogLevel }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: {{ .Values.controllerUID }}
  {{- if ge (int .Values.controllerGID) 0 }}
  runAsGroup: {{ .Values.controllerGID }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.controllerResources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Probes of an admin port, which is named by its caller. */ -}}
{{- define "linkerd.probes" -}}
livenessProbe:
  httpGet: {path: /live, port: {{ . }}}
  initialDelaySeconds: 10
readinessProbe:
  httpGet: {path: /ready, port: {{ . }}}
  failureThreshold: 7
  periodSeconds: 2
{{- end -}}

{{- define "linkerd.config.volumes" -}}
- name: config
  configMap: {name: linkerd-config}
- name: trust-roots
  configMap: {name: linkerd-identity-trust-roots}
{{- end -}}

{{- define "linkerd.config.mounts" -}}
- name: config
  mountPath: /var/run/linkerd/config
- name: trust-roots
  mountPath: /var/run/linkerd/identity/trust-roots
{{- end -}}

{{- /* A certificate as YAML of crt, key and ca in base64: that of `values`, or one for `host` and a year. */ -}}
{{- define "linkerd.tls" -}}
{{- $crt := .values.crtPEM }}
{{- $key := .values.keyPEM }}
{{- $ca := default $crt .values.caBundle }}
{{- if not (or $crt .values.externalSecret) }}
{{- $made := genSelfSignedCertWithKey .host nil (list .host) 365 (genPrivateKey "ecdsa") }}
{{- $crt = $made.Cert }}
{{- $key = $made.Key }}
{{- $ca = $made.Cert }}
{{- end -}}
crt: {{ $crt | trim | b64enc | quote }}
key: {{ $key | trim | b64enc | quote }}
ca: {{ $ca | trim | b64enc | quote }}
{{- end -}}

{{- /* The Secret of a webhook's certificate `tls`. */ -}}
{{- define "linkerd.tls.secret" -}}
kind: Secret
apiVersion: v1
metadata:
  name: linkerd-{{ .name }}-k8s-tls
  namespace: {{ .root.Release.Namespace }}
  labels:
    linkerd.io/control-plane-component: {{ .component }}
    {{- include "linkerd.labels" .root | nindent 4 }}
  annotations:
    {{- include "linkerd.createdBy" .root | nindent 4 }}
type: kubernetes.io/tls
data:
  tls.crt: {{ .tls.crt }}
  tls.key: {{ .tls.key }}
{{- end -}}

{{- /* The configuration of webhook `name` with the values `values`, and the Secret of its certificate, up to what is its own. */ -}}
{{- define "linkerd.webhook" -}}
{{- $host := printf "linkerd-%s.%s.svc" .name .root.Release.Namespace }}
{{- $tls := include "linkerd.tls" (dict "values" .values "host" $host) | fromYaml }}
{{- $injected := or .values.injectCaFrom .values.injectCaFromSecret }}
{{- if not .values.externalSecret }}
{{ include "linkerd.tls.secret" (dict "root" .root "name" .name "component" .component "tls" $tls) }}
---
{{- end }}
kind: {{ .kind }}
apiVersion: admissionregistration.k8s.io/v1
metadata:
  name: linkerd-{{ .name }}-webhook-config
  labels:
    linkerd.io/control-plane-component: {{ .component }}
    {{- include "linkerd.labels" .root | nindent 4 }}
  {{- if $injected }}
  annotations:
    {{- with .values.injectCaFrom }}
    cert-manager.io/inject-ca-from: {{ . }}
    {{- end }}
    {{- with .values.injectCaFromSecret }}
    cert-manager.io/inject-ca-from-secret: {{ . }}
    {{- end }}
  {{- end }}
webhooks:
- name: linkerd-{{ .name }}.linkerd.io
  namespaceSelector:
    {{- toYaml .values.namespaceSelector | nindent 4 }}
  clientConfig:
    service:
      name: linkerd-{{ .name }}
      namespace: {{ .root.Release.Namespace }}
      path: /
    {{- if not $injected }}
    caBundle: {{ $tls.ca }}
    {{- end }}
  failurePolicy: {{ .root.Values.webhookFailurePolicy }}
  admissionReviewVersions: [v1, v1beta1]
{{- end -}}

{{- /* The service account of component `name`, and its bindings to the ClusterRole and the Role that are called after it. */ -}}
{{- define "linkerd.account" -}}
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata:
  name: linkerd-{{ .root.Release.Namespace }}-{{ .name }}
  labels:
    linkerd.io/control-plane-component: {{ .name }}
    {{- include "linkerd.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: linkerd-{{ .root.Release.Namespace }}-{{ .name }}
subjects:
- kind: ServiceAccount
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata:
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    linkerd.io/control-plane-component: {{ .name }}
    {{- include "linkerd.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: linkerd-{{ .name }}
subjects:
- kind: ServiceAccount
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
---
kind: ServiceAccount
apiVersion: v1
metadata:
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    linkerd.io/control-plane-component: {{ .name }}
    {{- include "linkerd.labels" .root | nindent 4 }}
{{- end -}}

{{- /* How many pods of component `name` may be away at once. */ -}}
{{- define "linkerd.budget" -}}
kind: PodDisruptionBudget
apiVersion: policy/v1
metadata:
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    linkerd.io/control-plane-component: {{ .name }}
    {{- include "linkerd.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      linkerd.io/control-plane-component: {{ .name }}
{{- end -}}

{{- /* The Service `name` of a component, for one port; without an address of its own when it is headless. */ -}}
{{- define "linkerd.service" -}}
kind: Service
apiVersion: v1
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    linkerd.io/control-plane-component: {{ .component }}
    {{- include "linkerd.labels" .root | nindent 4 }}
  annotations:
    {{- include "linkerd.createdBy" .root | nindent 4 }}
spec:
  type: ClusterIP
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    linkerd.io/control-plane-component: {{ .component }}
  ports:
  - name: {{ .portName }}
    port: {{ .port }}
    targetPort: {{ .target }}
{{- end -}}

{{- /* The Deployment of component `name`, up to its containers. */ -}}
{{- define "linkerd.deployment" -}}
kind: Deployment
apiVersion: apps/v1
metadata:
  name: linkerd-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .name }}
    app.kubernetes.io/part-of: Linkerd
    app.kubernetes.io/version: {{ include "linkerd.version" .root }}
    linkerd.io/control-plane-component: {{ .name }}
    {{- include "linkerd.labels" .root | nindent 4 }}
  annotations:
    {{- include "linkerd.createdBy" .root | nindent 4 }}
spec:
  replicas: {{ .root.Values.controllerReplicas }}
  revisionHistoryLimit: 10
  selector:
    matchLabels:
      linkerd.io/control-plane-component: {{ .name }}
      linkerd.io/control-plane-ns: {{ .root.Release.Namespace }}
  {{- if .root.Values.enablePodDisruptionBudget }}
  strategy:
    rollingUpdate:
      maxUnavailable: 1
  {{- end }}
  template:
    metadata:
      annotations:
        {{- include "linkerd.createdBy" .root | nindent 8 }}
        linkerd.io/inject: disabled
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      labels:
        linkerd.io/control-plane-component: {{ .name }}
        linkerd.io/workload-ns: {{ .root.Release.Namespace }}
        {{- include "linkerd.labels" .root | nindent 8 }}
        {{- with .root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "linkerd.pod" .root | nindent 6 }}
      {{- if .root.Values.enablePodAntiAffinity }}
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector:
              matchLabels:
                linkerd.io/control-plane-component: {{ .name }}
            topologyKey: kubernetes.io/hostname
      {{- end }}
      serviceAccountName: linkerd-{{ .name }}
{{- end -}}
