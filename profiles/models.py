"""The documents about customers: what WhatsApp knows them by, and what we know of them."""

from django.db import models
from django.utils.functional import cached_property

from pyloto.documents.document_model import DocumentModel
from pyloto.observability.alerts import alert
from pyloto.privacy.fields import DecryptionFailed, decrypt
from pyloto.privacy.masking import mask_phone


class Identity(DocumentModel):
    """One identifier of a customer, by its HMAC. Only merge, undo and pepper rotation change one."""

    class Kind(models.TextChoices):
        BSUID = "BSUID", "Id do WhatsApp"
        PHONE = "PHONE", "Telefone"
        USERNAME = "USERNAME", "Nome de usuário"

    collection = "identities"
    store_name = "IdentityStore"

    user_key = models.CharField("cliente", max_length=64)
    kind = models.CharField("tipo", max_length=8, choices=Kind.choices)
    pepper_version = models.IntegerField("versão do segredo")
    # Id of the entry of the same identifier under another pepper, while there are two.
    twin = models.CharField("par sob outro segredo", max_length=100, null=True, default=None)
    # The merges that brought the entry where it leads to, the last one at the end: the undo of that one gives it back.
    merge_ids = models.JSONField("uniões", default=list)
    evidence = models.CharField("origem", max_length=40)
    created_at = models.DateTimeField("criada em")

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "identidade"
        verbose_name_plural = "identidades"


class UserProfile(DocumentModel):
    """A customer. Id: `user_key`."""

    class HoldReason(models.TextChoices):
        LAWSUIT = "LAWSUIT", "Processo judicial"
        AUTHORITY = "AUTHORITY", "Ordem de autoridade"
        INVESTIGATION = "INVESTIGATION", "Apuração interna"
        CONTRACT = "CONTRACT", "Exercício de direitos em contrato"

    collection = "user_profiles"
    store_name = "UserProfileStore"

    phone = models.TextField("telefone (cifrado)", null=True, default=None)
    wa_id = models.TextField("wa_id (cifrado)", null=True, default=None)
    bsuid = models.TextField("id do WhatsApp (cifrado)", null=True, default=None)
    username = models.TextField("nome de usuário (cifrado)", null=True, default=None)
    name = models.CharField("nome", max_length=200, default="")
    name_search = models.CharField("nome para busca", max_length=200, default="")
    search_words = models.JSONField("palavras para busca", default=list)  # of name and company
    username_key = models.CharField(
        "nome de usuário para busca", max_length=100, default=""
    )  # HMAC, as identities have
    city = models.CharField("cidade", max_length=120, default="")
    city_search = models.CharField("cidade para busca", max_length=200, default="")
    is_business = models.BooleanField("é empresa", null=True, default=None)
    business_name = models.CharField("empresa", max_length=200, default="")
    role = models.CharField("função", max_length=120, default="")
    lead_score = models.IntegerField("pontuação", null=True, default=None)
    qualification_level = models.CharField("qualificação", max_length=8, default="")
    merge_candidates = models.JSONField("possíveis duplicatas", default=list)
    # Of whom staff said that they are somebody else: not noted again.
    dismissed_candidates = models.JSONField("duplicatas descartadas", default=list)
    legal_hold = models.JSONField("guarda legal", null=True, default=None)  # {"reason", "by", "at"}: nothing ages out
    created_at = models.DateTimeField("criado em")
    updated_at = models.DateTimeField("atualizado em")
    last_interaction = models.DateTimeField("última interação")
    metadata = models.JSONField("outros dados", default=dict)

    class Meta:
        managed = False
        default_permissions = ("view", "change")
        verbose_name = "cliente"
        verbose_name_plural = "clientes"
        permissions = [
            ("reveal_userprofile", "Pode ver o contato de clientes sem máscara"),
            ("merge_userprofile", "Pode unir clientes e desfazer uniões"),
            ("erase_userprofile", "Pode apagar os dados de clientes"),
            ("access_userprofile", "Pode gerar o relatório de dados de um cliente"),
            ("hold_userprofile", "Pode pôr e tirar a guarda legal"),
        ]

    def __str__(self) -> str:
        return f"Cliente {self.pk[:8]}"

    def reveal(self, field: str) -> str:
        """The plain value of an encrypted field; empty where there is none. Raises `DecryptionFailed`."""
        envelope = getattr(self, field)
        return decrypt(envelope, path=f"{self.collection}/{self.pk}", field=field) if envelope else ""

    @cached_property
    def masked_phone(self) -> str:
        """The phone as staff see it: empty where there is none, a word and an alert where it cannot be read."""
        try:
            phone = self.reveal("phone")
        except DecryptionFailed:
            alert("profile_unreadable", user_key=self.pk, field="phone")
            return "indisponível"
        return mask_phone(phone) if phone else ""


class ProfileChange(DocumentModel):
    """One change of a profile; path `user_profiles/{user_key}/history/{id}`. Written by the commit that makes it."""

    collection = "history"
    store_name = "UserProfileStore"

    at = models.DateTimeField("quando")
    actor = models.CharField("autor", max_length=150)  # as in the audit trail: "USER", "PYLOTO", "user:7"
    fields = models.JSONField("campos", default=list)  # their names
    changes = models.TextField("mudanças (cifradas)", default="")  # JSON {field: [old, new]}

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "mudança de perfil"
        verbose_name_plural = "mudanças de perfil"


class Merge(DocumentModel):
    """Two customers that turned out to be one person. Nothing is moved: identities point elsewhere, and back on undo."""

    collection = "merges"
    store_name = "MergeStore"

    source = models.CharField("cliente unido", max_length=64)
    target = models.CharField("ao cliente", max_length=64)
    identity_ids = models.JSONField("identidades", default=list)  # those that were repointed
    merged_by = models.CharField("unidos por", max_length=150)
    merged_at = models.DateTimeField("unidos em")
    undone_by = models.CharField("desfeito por", max_length=150, null=True, default=None)
    undone_at = models.DateTimeField("desfeito em", null=True, default=None)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "união de clientes"
        verbose_name_plural = "uniões de clientes"


class Erasure(DocumentModel):
    """The journal of an erasure, and its tombstone. Id: the `user_key`; merged ones have one each that names the first."""

    class Step(models.TextChoices):
        STARTED = "STARTED", "Iniciado"
        REMOVED = "REMOVED", "Dados removidos"
        COMPLETED = "COMPLETED", "Concluído"

    class Reason(models.TextChoices):
        REQUEST = "REQUEST", "Pedido do titular"
        CONSENT_REVOKED = "CONSENT_REVOKED", "Consentimento revogado"
        RETENTION = "RETENTION", "Fim do prazo de guarda"
        AUTHORITY = "AUTHORITY", "Ordem de autoridade"
        TEST = "TEST", "Dados de teste"

    collection = "erasures"
    store_name = "ErasureStore"

    part_of = models.CharField("parte de", max_length=64, null=True, default=None)
    user_keys = models.JSONField("clientes", default=list)
    conversation_ids = models.JSONField("conversas", default=list)
    on_hold = models.BooleanField("estava sob guarda legal", default=False)
    identifiers = models.TextField("identificadores (cifrados)", null=True, default=None)  # removed when completed
    step = models.CharField("etapa", max_length=16, choices=Step.choices, default=Step.STARTED)
    done = models.JSONField("passos concluídos", default=list)
    counts = models.JSONField("removidos", default=dict)  # {step name: how many}
    places = models.JSONField("lugares", default=dict)  # {step name: where its walk through many documents stands}
    tries = models.IntegerField("tentativas sem avanço", default=0)  # in a row
    reason = models.CharField("motivo", max_length=20, choices=Reason.choices)
    requested_by = models.CharField("pedido por", max_length=150)
    requested_at = models.DateTimeField("pedido em")
    scan_at = models.DateTimeField("nova varredura em", null=True, default=None)  # removed when completed
    completed_at = models.DateTimeField("concluído em", null=True, default=None)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "apagamento"
        verbose_name_plural = "apagamentos"
