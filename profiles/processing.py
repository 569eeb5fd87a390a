"""What a person may know about how their data are treated, as access reports say it (LGPD arts. 9, 18 and 20).

docs/privacy.md says the same for those who build and audit. Whoever changes what is done with data changes both.
"""

CONTROLLER = "Pyloto, Av. Dr. Vicente Machado 1472, Centro, Ponta Grossa, Paraná (pyloto.com.br)"

PURPOSES = (  # data, purpose, legal basis
    (
        "Contato e identificadores do WhatsApp (telefone, identificador, nome de usuário, nome)",
        "Reconhecer quem escreve e responder pela mesma conversa.",
        "Procedimentos preliminares a contrato, a pedido do titular (LGPD, art. 7º, V)",
    ),
    (
        "Mensagens, o que foi informado nelas e os atendimentos",
        "Entender o pedido, responder e passar o caso a uma pessoa da equipe com o contexto.",
        "Procedimentos preliminares a contrato, a pedido do titular (LGPD, art. 7º, V)",
    ),
    (
        "Classificação das mensagens e qualificação do pedido",
        "Escolher o assunto e a ordem de atendimento.",
        "Legítimo interesse (LGPD, art. 7º, IX)",
    ),
    (
        "Situação das entregas e contadores de excesso de mensagens",
        "Entregar cada resposta uma vez e proteger o serviço contra abuso.",
        "Legítimo interesse (LGPD, art. 7º, IX)",
    ),
    (
        "Trilha de auditoria, em códigos, sem nome, contato nem texto",
        "Prestar contas e comprovar o que foi feito com os dados.",
        "Obrigação legal e exercício regular de direitos (LGPD, art. 7º, II e VI, e art. 6º, X)",
    ),
)

META = ("Meta Platforms (WhatsApp)", "Recebe e entrega as mensagens.", "Estados Unidos e outros")
GOOGLE = ("Google Cloud", "Hospeda os documentos e os arquivos.", "Conforme a região contratada")
OPENAI = ("OpenAI", "Lê o texto das mensagens, sem contatos, para classificar o assunto.", "Estados Unidos")

RIGHTS = (
    "Confirmar se tratamos os seus dados e ter acesso a eles: este relatório.",
    "Corrigir dados incompletos, inexatos ou desatualizados.",
    "Pedir anonimização, bloqueio ou eliminação do que for desnecessário ou excessivo.",
    "Pedir a portabilidade: este relatório também existe em formato aberto (JSON).",
    "Revogar o consentimento e pedir a eliminação dos dados, salvo o que a lei manda guardar.",
    "Pedir a revisão, por uma pessoa, de decisões tomadas só por computador.",
    "Reclamar à Autoridade Nacional de Proteção de Dados (gov.br/anpd).",
)

AUTOMATED_DECISIONS = (
    "O assistente Otto classifica o assunto das mensagens e a qualificação do pedido por computador, só para escolher a "
    "resposta e a ordem de atendimento. Ele não decide sobre contratação, preço ou crédito. Cada decisão está na seção "
    "“Classificações”, com a versão das regras. Quem quiser a revisão por uma pessoa escreve “falar com uma pessoa” na "
    "conversa, ou ao encarregado."
)
