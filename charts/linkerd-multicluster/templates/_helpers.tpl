{{- /* Labels of every object. */ -}}
{{- define "mc.labels" -}}
linkerd.io/extension: multicluster
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mc.version" -}}
{{ default .Chart.AppVersion .Values.linkerdVersion }}
{{- end -}}

{{- define "mc.createdBy" -}}
linkerd.io/created-by: linkerd/cli {{ include "mc.version" . }}
{{- end -}}

{{- /* What the pods of all deployments have in common; replicas are told apart by `label`. */ -}}
{{- define "mc.pod" -}}
nodeSelector:
  {{- toYaml .root.Values.nodeSelector | nindent 2 }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.enablePodAntiAffinity }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- toYaml .labels | nindent 10 }}
{{- end }}
{{- end -}}

{{- define "mc.budget" -}}
kind: PodDisruptionBudget
apiVersion: policy/v1
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "mc.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- toYaml .labels | nindent 6 }}
{{- end -}}

{{- define "mc.restricted" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ .Values.UID }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}
