"""The rules on what customers write: colloquial, without accents, with typos."""

import pytest

from ai import rules
from ai.intents import Intent

SOFTWARE = Intent.CUSTOM_SOFTWARE
SAAS = Intent.SAAS_COMMUNICATION
DELIVERY = Intent.PYLOTO_ENTREGA_REQUEST
DRIVER = Intent.PYLOTO_ENTREGA_DRIVER_SIGNUP
MERCHANT = Intent.PYLOTO_ENTREGA_MERCHANT_SIGNUP
ABOUT_US = Intent.INSTITUTIONAL
ELSEWHERE = Intent.UNSUPPORTED
VAGUE = Intent.ENTRY_UNKNOWN

MESSAGES = [
    ("preciso de um sisteminha", SOFTWARE),
    ("quero um app", SOFTWARE),
    ("oiii quero um aplicativoo", SOFTWARE),
    ("preciso de um sitema pra minha clínica", SOFTWARE),
    ("queria um orçamento de site", SOFTWARE),
    ("fazem loja virtual?", SOFTWARE),
    ("vocês fazem sistema para clínica?", SOFTWARE),
    ("quero um CRM", SOFTWARE),
    ("quero integrar meu ERP com o mercado livre", SOFTWARE),
    ("quero vender pela internet", SOFTWARE),
    ("já tenho um sistema mas tá ruim", SOFTWARE),
    ("quero um app de entregas para minha loja", SOFTWARE),
    ("quanto custa um sistema?", SOFTWARE),
    ("Sistema", SOFTWARE),
    ("chatbot pro meu whats", SAAS),
    ("quero um robô de atendimento", SAAS),
    ("quero automatizar o whats da minha empresa", SAAS),
    ("meu atendimento no zap é uma bagunça", SAAS),
    ("não dou conta de responder todo mundo", SAAS),
    ("quero contratar o pyloto pra minha empresa", SAAS),
    ("um bot que responda meus clientes", SAAS),
    ("cadê meu pedido", DELIVERY),
    ("kd meu lanche", DELIVERY),
    ("meu pedido nao chegou", DELIVERY),
    ("preciso de um motoboy agora", DELIVERY),
    ("presiso de um motoboi", DELIVERY),
    ("manda um motoca aqui", DELIVERY),
    ("preciso entregar um bolo no centro", DELIVERY),
    ("preciso mandar um documento pro cartório", DELIVERY),
    ("preciso de um entregador agora pra minha loja", DELIVERY),
    ("vcs entregam em carambeí?", DELIVERY),
    ("quero ser entregador", DRIVER),
    ("QUERO SER ENTERGADOR", DRIVER),
    ("vcs tao contratando motoboy?", DRIVER),
    ("tem vaga pra entregador?", DRIVER),
    ("sou motoboy e tenho moto própria", DRIVER),
    ("como faço pra trabalhar com vcs de moto?", DRIVER),
    ("quero fazer entregas", DRIVER),
    ("tenho uma loja e quero entregas", MERCHANT),
    ("minha loja precisa de motoboy", MERCHANT),
    ("quero cadastrar minha loja", MERCHANT),
    ("sou lojista", MERCHANT),
    ("preciso de entregas pro meu restaurante", MERCHANT),
    ("qual o horário", ABOUT_US),
    ("qual o horario de atendimeto", ABOUT_US),
    ("que horas vcs abrem?", ABOUT_US),
    ("onde vcs ficam", ABOUT_US),
    ("qual o site de vocês", ABOUT_US),
    ("vcs são um robô?", ABOUT_US),
    ("você é uma pessoa?", ABOUT_US),
    ("o que a Pyloto faz?", ABOUT_US),
    ("vocês têm CNPJ?", ABOUT_US),
    ("quero fazer uma reclamação", ABOUT_US),
    ("conta uma piada", ELSEWHERE),
    ("qual a capital da frança", ELSEWHERE),
    ("vcs vendem pizza?", ELSEWHERE),
    ("empréstimo consignado", ELSEWHERE),
    ("oi", VAGUE),
    ("bom dia, tudo bem?", VAGUE),
    ("pode me ajudar?", VAGUE),
    ("to perdido", VAGUE),
    ("asdfgh", VAGUE),
    ("👍", VAGUE),
    ("", VAGUE),
]

# As they are typed on a phone, or dictated to it.
TYPED = [
    ("Gostaria de desenvolver um sistema para minha clínica", SOFTWARE),
    ("Preciso de um aplicativo para controlar o estoque da minha loja", SOFTWARE),
    ("Quero um orçamento para um site com área de cliente", SOFTWARE),
    ("Vocês desenvolvem sistemas sob medida?", SOFTWARE),
    ("Queria automatizar as planilhas da empresa", SOFTWARE),
    ("qro um app pro meu negocio", SOFTWARE),
    ("vcs faz sistema pra oficina mecanica", SOFTWARE),
    ("kero faze um aplicativo tipo uber", SOFTWARE),
    ("presciso de um sistema de gestao pra minha fabrica", SOFTWARE),
    (
        "oi entao eu tenho uma escola aqui e a gente controla tudo no papel e eu queria um programa pra controlar as matriculas",
        SOFTWARE,
    ),
    ("to precisando dum sisteminha pra controla as comanda do bar", SOFTWARE),
    ("tem como vcs fazer um site pra mim", SOFTWARE),
    ("queria ve um sistema sob medida", SOFTWARE),
    ("bah tche precisava de um software pra cooperativa", SOFTWARE),
    ("Precisamos de um portal para nossos franqueados", SOFTWARE),
    ("vcs criam aplicativo de agendamento?", SOFTWARE),
    ("qria um programinha pra anota os fiado", SOFTWARE),
    ("kero um site pra minha pousada", SOFTWARE),
    ("tenho uma ideia de app e nao sei por onde comeca", SOFTWARE),
    ("preciso informatizar minha empresa", SOFTWARE),
    ("quero um sistema pra controlar entregadores", SOFTWARE),
    ("tamo querendo um sistema pro sindicato", SOFTWARE),
    ("vcs mexe com programação de sistema?", SOFTWARE),
    ("queria orça um aplicativo", SOFTWARE),
    ("minha imobiliaria ta precisando dum site novo", SOFTWARE),
    ("vcs integra sistema com nota fiscal", SOFTWARE),
    ("quero desenvolve uma plataforma de cursos", SOFTWARE),
    ("eu tenho um petshop e queria um sistema de agendamento de banho e tosa vcs fazem", SOFTWARE),
    ("Quero colocar um chatbot no WhatsApp da minha empresa", SAAS),
    ("Preciso organizar o atendimento do WhatsApp da clínica", SAAS),
    ("Quero contratar o Pyloto para o meu atendimento", SAAS),
    ("Tenho interesse na plataforma de comunicação de vocês", SAAS),
    ("Queremos centralizar Instagram e WhatsApp num lugar só", SAAS),
    ("qro um robo pra responde meus cliente no zap", SAAS),
    ("kero automatiza o zap da loja", SAAS),
    ("presiso de um bot de atendimento", SAAS),
    (
        "a gente recebe muita mensagem no whats e nao da conta de responder queria uma coisa que respondesse sozinha",
        SAAS,
    ),
    ("tem como por um atendente virtual no meu whats", SAAS),
    ("quero esse atendimento automatico que vcs tem", SAAS),
    ("Quero um assistente virtual para responder clientes", SAAS),
    ("como funciona o chatbot de vcs, quero pra minha loja", SAAS),
    ("meu zap nao para e eu nao consigo responder todo mundo", SAAS),
    ("qria por um robo no zap da pizzaria", SAAS),
    ("queria automatizar as resposta do instagram", SAAS),
    ("perco muito cliente no whats por demora queria melhorar isso", SAAS),
    ("kero um atendimento 24h no whats da clinica", SAAS),
    ("quero que o whats responda sozinho de madrugada", SAAS),
    ("presciso dum chat bot", SAAS),
    ("atender cliente no zap ta dificil, vcs tem solução?", SAAS),
    ("queria conhece o pyloto pra comunicação da minha empresa", SAAS),
    ("vi que vcs tem robo de whatsapp", SAAS),
    ("Quero ser entregador", DRIVER),
    ("Gostaria de me cadastrar como motoboy", DRIVER),
    ("Tenho moto e quero trabalhar com vocês", DRIVER),
    ("quero trabalhar com entrega", DRIVER),
    ("quero entregar pra vcs", DRIVER),
    ("qro se motoboy", DRIVER),
    ("kero faze entrega", DRIVER),
    ("sou motoca e to atras de trampo", DRIVER),
    ("tem vaga de motoboy ai", DRIVER),
    ("como faço pra entra de entregador", DRIVER),
    ("to desempregado tenho uma biz e queria faze umas entrega pra voces", DRIVER),
    ("queria roda com vcs, tenho moto propria", DRIVER),
    ("meu primo falou que vcs tao pegando entregador eu tenho bike e queria me cadastra", DRIVER),
    ("vcs tao contratando motoqueiro", DRIVER),
    ("Como faço para me tornar entregador parceiro?", DRIVER),
    ("gostaria de entregar para vocês nos fins de semana", DRIVER),
    ("oi tenho 19 anos e queria trabalha de entregador", DRIVER),
    ("tenho uma cg 160 e to precisando de serviço", DRIVER),
    ("tem serviço pra motoqueiro ai?", DRIVER),
    ("kero trampa com vcs de moto", DRIVER),
    ("me cadastra como entregador", DRIVER),
    ("quero fazer um extra com minha moto nas entregas", DRIVER),
    ("vi o anuncio de vcs pra motoboy e me interessei", DRIVER),
    ("ceis tao precisando de entregador", DRIVER),
    ("faço entrega de bike, da pra entra com vcs?", DRIVER),
    ("eu queria fazer parte dos entregadores de vocês como que eu faço", DRIVER),
    ("blz mano, to querendo entrega pra vcs", DRIVER),
    ("kero me cadastra de motoboy", DRIVER),
    ("qro entra na equipe de motoboy", DRIVER),
    ("tenho carro e quero fazer entregas", DRIVER),
    ("como vira entregador de vcs", DRIVER),
    ("sou motoqueiro profissional, tem vaga?", DRIVER),
    ("queria fazer corrida com minha bis", DRIVER),
    ("quero ser parceiro entregador", DRIVER),
    ("Minha loja precisa de motoboy", MERCHANT),
    ("Quero cadastrar meu restaurante para entregas", MERCHANT),
    ("Sou dono de uma farmácia e gostaria de ser parceiro de vocês nas entregas", MERCHANT),
    ("Tenho uma pizzaria e preciso de entregadores", MERCHANT),
    ("Gostaria de contratar motoboys para minha hamburgueria", MERCHANT),
    ("tenho um mercadinho e qero entregador", MERCHANT),
    ("preciso de alguem pra entregar meus lanches todo dia", MERCHANT),
    ("tenho um delivery de marmita e to sem motoboy", MERCHANT),
    ("qro cadastra minha lanchonete", MERCHANT),
    ("vendo bolo e queria q vcs entregasse pra mim toda semana", MERCHANT),
    ("aqui é da padaria sao jose a gente queria usar os entregador de vcs", MERCHANT),
    ("kero po minha loja no pyloto entrega", MERCHANT),
    ("minha distribuidora de agua faz umas 30 entrega por dia e queria terceirizar", MERCHANT),
    ("Temos uma rede de farmácias e queremos terceirizar as entregas", MERCHANT),
    ("queria saber como faz pra minha loja usar as entregas de vocês", MERCHANT),
    ("sou do açaí da praça e preciso de motoboy fixo", MERCHANT),
    ("tenho uma confeitaria e preciso entregar bolos todo dia", MERCHANT),
    ("qro parceria pra entrega dos meus lanche", MERCHANT),
    ("minha hamburgueria ta sem entregador", MERCHANT),
    ("vendo marmita e preciso de motoboy de segunda a sexta", MERCHANT),
    ("quero que vcs façam as entregas do meu mercado", MERCHANT),
    ("cadastro de lojista", MERCHANT),
    ("aqui é da adega, como funciona pra vcs entregarem pra nois", MERCHANT),
    ("meu comercio quer contratar as entregas de vocês", MERCHANT),
    ("tenho um restaurante e quero entregador", MERCHANT),
    ("Somos uma floricultura e buscamos parceiro de entregas", MERCHANT),
    ("minha pizzaria precisa de entregador pro fim de semana", MERCHANT),
    ("quero cadastra meu mercado", MERCHANT),
    ("preciso de motoboy todos os dias pra minha farmácia", MERCHANT),
    ("queria um motoboy fixo pra loja", MERCHANT),
    ("vcs fazem entrega pra loja? tenho uma de roupas", MERCHANT),
    ("abri um delivery de hamburguer e preciso de entregas", MERCHANT),
    ("Preciso mandar um pacote para o centro agora", DELIVERY),
    ("Quero pedir uma entrega", DELIVERY),
    ("Preciso de um motoboy agora para levar um documento", DELIVERY),
    ("Quanto fica para levar uma caixa até o bairro Jardim?", DELIVERY),
    ("pode busca uma encomenda aqui em casa", DELIVERY),
    ("presciso manda um documento la pro forum hj", DELIVERY),
    ("manda um motoboy aqui por favor", DELIVERY),
    ("qro solicita uma entrega", DELIVERY),
    ("tem motoboy disponivel agora", DELIVERY),
    ("eu precisava que alguem pegasse uma chave na casa da minha mae e trouxesse aqui", DELIVERY),
    ("vcs pega remedio na farmacia e traz aqui em casa", DELIVERY),
    ("Preciso que busquem um documento no cartório", DELIVERY),
    ("quanto custa pra leva um bolo do centro ate uvaranas", DELIVERY),
    ("qro um motoboy agora", DELIVERY),
    ("tem como vcs levarem um presente pra minha namorada hoje", DELIVERY),
    ("to precisando manda umas caixa pra minha irma", DELIVERY),
    ("cade o motoboy q ia traze minha encomenda", DELIVERY),
    ("vcs busca compra no mercado", DELIVERY),
    ("solicitar coleta", DELIVERY),
    ("esqueci minha chave em casa, alguem consegue trazer pra mim?", DELIVERY),
    ("preciso que leve uma encomenda ate a rodoviaria", DELIVERY),
    ("me manda um motoboy urgente", DELIVERY),
    ("quanto sai pra entrega um pacote em carambei", DELIVERY),
    ("tem motoca livre?", DELIVERY),
    ("queria um frete pequeno agora", DELIVERY),
    ("meu pedido ta atrasado", DELIVERY),
    ("preciso buscar um remedio na farmacia", DELIVERY),
    ("O que é a Pyloto?", ABOUT_US),
    ("Onde fica a empresa de vocês?", ABOUT_US),
    ("Qual o horário de atendimento?", ABOUT_US),
    ("Em quais cidades vocês atendem?", ABOUT_US),
    ("quanto tempo demora a entrega de vocês?", ABOUT_US),
    ("qual o telefone de vcs", ABOUT_US),
    ("q hrs vcs abre", ABOUT_US),
    ("vcs sao de onde", ABOUT_US),
    ("oq a pyloto faz", ABOUT_US),
    ("como funciona o trabalho de vcs", ABOUT_US),
    ("vcs tem site", ABOUT_US),
    ("quem é o dono da pyloto", ABOUT_US),
    ("Vocês têm escritório?", ABOUT_US),
    ("atende fim de semana?", ABOUT_US),
    ("me fala mais da empresa", ABOUT_US),
    ("ces fica onde", ABOUT_US),
    ("vcs emite nota", ABOUT_US),
    ("quais cidade vcs trabalha", ABOUT_US),
    ("quero cancelar meu contrato", ABOUT_US),
    ("isso é um robo?", ABOUT_US),
    ("qual o site da pyloto", ABOUT_US),
    ("vcs trabalham sabado?", ABOUT_US),
    ("qual endereço", ABOUT_US),
    ("que q vcs faz ai", ABOUT_US),
    ("qto custa", ABOUT_US),
    ("quero parar de perder venda no zap", SAAS),
    ("quero q um robo atenda meus clientes de noite", SAAS),
    ("n dou conta das mensagem do zap", SAAS),
    ("quero conhecer o atendimento inteligente de vcs", SAAS),
    ("tenho interesse em fazer entregas", DRIVER),
    ("tenho bicicleta e quero ganha uma grana com entrega", DRIVER),
    ("quero dirigir pra vcs", DRIVER),
    ("ainda tem vaga pra entrega?", DRIVER),
    ("queremos que o pyloto faça nossas entregas", MERCHANT),
    ("preciso de dois motoboy fixo pra minha lancheria", MERCHANT),
    ("vcs podem entregar uma torta hj as 15h", DELIVERY),
    ("quero mandar uma encomenda pra castro", DELIVERY),
    ("tenho uma empresa e quero ser entregador", DRIVER),
    ("tenho moto e quero entregar todo dia", DRIVER),
    ("meu entregador quebrou a moto e preciso de alguém agora", DELIVERY),
    ("quero um sistema de comunicação interna", SOFTWARE),
    ("quando vcs entregam meu site?", SOFTWARE),
    ("vcs conserta computador", ELSEWHERE),
    ("não quero site, quero um app", SOFTWARE),
    ("não quero um site caro", SOFTWARE),
    ("não sou motoboy mas quero ser", DRIVER),
    ("quero me cadastrar pra entregar", DRIVER),
    ("quero entregar de moto", DRIVER),
    ("quero entregar com minha bike", DRIVER),
    ("quero fazer entregas dos meus produtos", MERCHANT),
    ("preciso de alguem pra fazer entregas dos meus produtos", MERCHANT),
    ("alguem pode me trazer um lanche aqui", DELIVERY),
    ("quanto custa mandar um email marketing?", ABOUT_US),
    ("tenho uma moto e quero vender", VAGUE),
]


@pytest.mark.parametrize(("message", "intent"), MESSAGES + TYPED)
def test_a_message_speaks_of_one_intent(message: str, intent: Intent) -> None:
    assert rules.classify(message).primary.intent == intent


@pytest.mark.parametrize(
    "message",
    [
        "quero falar com uma pessoa",
        "quero falar com atendente",
        "falar com alguem pfv",
        "me passa pra um humano",
        "atendente",
        "Humano, por favor!",
        "posso falar com um vendedor?",
        "não quero falar com robô",
        "prefiro atendimento humano",
        "vocês podem me ligar?",
        "Quero falar com um atendente",
        "Pode me passar para uma pessoa?",
        "Não quero falar com robô",
        "qro fala cm alguem",
        "me passa pra um humano pfv",
        "tem alguem ai de vdd",
        "kd o atendente",
        "oxe quero falar com gente",
        "chama o responsavel ai",
        "quero fala com o dono",
        "Gostaria de conversar com um humano, por favor",
        "qro fala com gente de vdd",
        "me transfere pro suporte",
        "da pra chama alguem da equipe",
        "prefiro fala com uma pessoa",
        "não to entendendo nada quero um atendente",
        "moço me passa alguem ai",
        "passa pro vendedor",
        "chama um atendente aí por favor",
        "quero ser atendido por gente",
        "vc pode me passar pra alguem?",
        "tem como fala com uma pessoa",
        "n quero robo, quero gente",
        "quero um atendente",
        "atendente humano",
    ],
)
def test_a_customer_who_wants_a_person_is_heard(message: str) -> None:
    assert rules.classify(message).wants_human


@pytest.mark.parametrize(
    "message",
    [
        "quero um app",
        "vcs são um robô?",
        "não quero falar com ninguém",
        "não preciso falar com atendente",
        "quero que meus clientes possam falar com um atendente pelo app",
        "falei com ele ontem",
        "quero que ele fale com uma atendente quando precisar",
        "somos 10 pessoas",
        "quero um atendente virtual",
        "receber o pedido, passa pro gerente, avisar o cliente",
        "o cliente pode chamar um atendente pelo app",
        "se der problema, chama o gerente",
        "a recepcionista anota e passa pro dono",
        "me passa o pix",
        "sou uma pessoa simples",
        "o dono da loja não está",
        "a atendente foi ótima",
    ],
)
def test_speaking_of_people_is_not_asking_for_one(message: str) -> None:
    assert not rules.classify(message).wants_human


@pytest.mark.parametrize(
    ("message", "others"),
    [
        ("quanto tempo demora a entrega de vocês?", {DRIVER, MERCHANT}),
        ("meu entregador quebrou a moto e preciso de alguém agora", {DRIVER}),
        ("o motoboy não chegou ainda", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("o entregador foi mal educado comigo", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("cadê minha entrega?", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("não quero ser entregador", {DRIVER}),
        ("não sou motoboy", {DRIVER}),
        ("não tenho loja", {MERCHANT}),
        ("meu irmão é motoboy", {DRIVER, MERCHANT}),
        ("vocês têm entregador?", {DRIVER}),
        ("o sistema de vocês caiu", {SAAS, SOFTWARE}),
        ("o site de vocês não abre", {SAAS, SOFTWARE}),
        ("não preciso de sistema", {SOFTWARE}),
        ("minha moto estragou", {DRIVER, MERCHANT}),
        ("minha entrega atrasou", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("quero cancelar minha entrega", {DRIVER, MERCHANT}),
        ("quero reclamar do entregador", {DRIVER, MERCHANT}),
        ("quero elogiar o motoboy", {DRIVER, MERCHANT}),
        ("já sou entregador de vocês", {DRIVER, MERCHANT}),
        ("meu whatsapp é 42999990000", {SAAS}),
        ("me chama no whats", {SAAS}),
        ("recebi uma mensagem de vocês no whatsapp", {SAAS, SOFTWARE}),
        ("trabalho numa loja", {DRIVER, MERCHANT}),
        ("estou na loja agora", {DRIVER, MERCHANT}),
        ("quero receber meu pagamento das entregas", {DELIVERY, DRIVER, MERCHANT}),
        ("qual o salário do entregador?", {DELIVERY, MERCHANT}),
        ("quero falar com o entregador", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("obrigado pela entrega", {DELIVERY, DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("a pizza chegou fria", {DELIVERY, DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("preciso do telefone do motoboy que trouxe meu pedido", {DRIVER, MERCHANT}),
        ("vcs entregam em castro?", {DRIVER, MERCHANT}),
        ("o robô de vocês é bom", {SAAS}),
        ("tenho um cachorro e uma moto", {MERCHANT}),
        ("trabalho com entregas numa transportadora", {DELIVERY}),
        ("o motoboy de vcs é muito bom", {DRIVER, MERCHANT}),
        ("não quero entregar nada", {DELIVERY, DRIVER, MERCHANT}),
        ("não tenho interesse", {DELIVERY, DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("já fiz meu cadastro de entregador e ninguém me chamou", {DELIVERY, MERCHANT}),
        ("quero saber se o entregador já saiu", {DRIVER, MERCHANT}),
        ("o entregador pode subir?", {DRIVER, MERCHANT}),
        ("quero o telefone do entregador", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("eu pago o motoboy na hora?", {DRIVER, MERCHANT}),
        ("chegou tudo certo, obrigado", {DELIVERY, DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("quando vcs entregam meu site?", {DELIVERY, DRIVER, MERCHANT}),
        ("quanto tempo leva a entrega?", {DELIVERY, DRIVER, MERCHANT}),
        ("não preciso de motoboy hoje", {DRIVER, MERCHANT}),
        ("minha empresa já tem atendimento no whats", {DRIVER, MERCHANT, SOFTWARE}),
        ("o dono da loja não está", {DRIVER, MERCHANT}),
        ("todo dia eu passo aí na frente", {DELIVERY, DRIVER, MERCHANT}),
        ("minha chave pix é meu telefone", {DELIVERY, DRIVER, MERCHANT}),
        ("entrega o recado pra ele", {DRIVER, MERCHANT}),
        ("eu mesmo faço minhas entregas", {DRIVER}),
        ("minha loja fecha às 18h", {DELIVERY, DRIVER, SAAS, SOFTWARE}),
        ("tenho moto mas não quero trabalhar com entrega", {MERCHANT}),
        ("qual o valor do frete?", {DRIVER, MERCHANT, SAAS, SOFTWARE}),
        ("vi o site de vocês e gostei", {DRIVER, MERCHANT, SAAS}),
        ("to sem internet", {DELIVERY, DRIVER, MERCHANT}),
        ("to sem tempo agora", {DELIVERY, DRIVER, MERCHANT}),
        ("vcs pegam cartão?", {DELIVERY, DRIVER, MERCHANT}),
        ("quero que vcs peguem meu contato", {DELIVERY, DRIVER, MERCHANT}),
        ("quero levar uma surpresa pra ela", {DRIVER, MERCHANT}),
        ("o sistema de vocês é pago?", {DRIVER, MERCHANT}),
        ("minha loja é pequena", {DELIVERY, DRIVER, SAAS, SOFTWARE}),
        ("o entregador passa pro vizinho o pacote", {DRIVER, MERCHANT}),
        ("entrego em toda a cidade", {DRIVER}),
        ("faço entrega própria", {DRIVER}),
        ("não tenho entregador", {DRIVER}),
        ("minha moto quebrou", {DELIVERY, DRIVER, MERCHANT}),
        ("to sem moto", {DELIVERY, DRIVER, MERCHANT}),
        ("eu levo a caixa aí", {DRIVER, MERCHANT}),
        ("vcs levam quanto tempo?", {DELIVERY, DRIVER, MERCHANT}),
        ("vcs pegam quais bairros?", {DRIVER, MERCHANT}),
        ("vcs trazem resultado?", {DELIVERY, DRIVER, MERCHANT}),
        ("trabalho de segunda a sexta", {DELIVERY, DRIVER, MERCHANT}),
        ("atendo de segunda a sexta", {DELIVERY, DRIVER, MERCHANT}),
        ("quero trabalhar menos", {DRIVER}),
        ("quero trabalhar com vendas", {DRIVER, MERCHANT}),
        ("um portal de noticias falou de vcs", {DRIVER, MERCHANT}),
        ("vcs tem serviço de motoboy?", {DRIVER, MERCHANT}),
        ("vi o motoboy de vcs na rua", {DRIVER, MERCHANT}),
        ("quero entender como funciona", {DELIVERY, DRIVER, MERCHANT}),
        ("quero entregar o projeto pro meu chefe", {DRIVER, MERCHANT}),
        ("quero um app pra quem faz entrega", {DELIVERY, DRIVER, MERCHANT}),
        ("meu cliente quer receber por motoboy", {DRIVER}),
        ("se o motoboy demorar eu cancelo", {DRIVER, MERCHANT}),
        ("quero ver se motoboy é caro", {DRIVER, MERCHANT}),
        ("alguém consegue me explicar", {DELIVERY}),
        ("quero um relatório das entregas por mês", {DRIVER, MERCHANT}),
        ("quero receber as entregas todo dia de manhã", {DRIVER, MERCHANT}),
        ("quero que vcs tragam mais clientes", {DELIVERY}),
        ("quero rodar com vcs um projeto", {DRIVER}),
    ],
)
def test_speaking_of_something_is_not_wanting_it(message: str, others: set[Intent]) -> None:
    assert not others & {found.intent for found in rules.classify(message).intents}


@pytest.mark.parametrize("message", ["é urgente!", "preciso de um motoboy agora", "o quanto antes", "pra ontem"])
def test_urgency_is_heard(message: str) -> None:
    assert rules.classify(message).urgent


@pytest.mark.parametrize("message", ["hoje usamos planilha", "sem pressa", "agora a gente anota no caderno"])
def test_speaking_of_today_is_not_urgency(message: str) -> None:
    assert not rules.classify(message).urgent


@pytest.mark.parametrize("message", ["sou o dono da padaria", "sou sócia", "é para a minha empresa", "tenho uma loja"])
def test_who_decides_is_heard(message: str) -> None:
    assert rules.classify(message).decision_maker


def test_two_wishes_are_two_intents_only_where_the_customer_says_also() -> None:
    both = rules.classify("quero um sistema e também entregas pra minha loja")
    assert {found.intent for found in both.intents} == {SOFTWARE, MERCHANT}
    one = rules.classify("quero um sistema de entregas pra minha loja")
    assert [found.intent for found in one.intents] == [SOFTWARE]


def test_a_price_is_asked_beside_the_wish() -> None:
    found = rules.classify("quanto custa um aplicativo?").intents
    assert [detected.intent for detected in found] == [SOFTWARE, ABOUT_US]


@pytest.mark.parametrize("chunk", ["1 ", "em ", "e ", "oie ai", "voces tem ", "Aa Bb ", "?", "a", "\n"])
def test_a_hostile_message_is_read_in_a_moment(chunk: str) -> None:
    assert 0.0 <= rules.classify(chunk * 20_000).primary.confidence <= 1.0


# --- said so, and said otherwise --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "message",
    [
        "não é urgente",
        "nem é tão urgente assim",
        "nem tão urgente",
        "sem urgência",
        "não tenho urgência",
        "não preciso disso agora",
        "não precisa ser pra hoje",
        "preciso de um sistema hoje uso planilha",
        "preciso de um site ja tenho dominio",
        "preciso de um sistema que a gente já tentou fazer",
    ],
)
def test_a_denied_urgency_is_none(message: str) -> None:
    assert not rules.classify(message).urgent
    assert not rules.is_urgent(message)


@pytest.mark.parametrize(
    "message",
    [
        "não posso esperar, é urgente",
        "não dá pra esperar é urgente",
        "preciso de um motoboy hoje, não tenho carro",
        "preciso de um motoboy agora tenho uma entrega",
        "já tenho um site mas preciso de outro urgente",
        "hoje uso planilha, preciso de um sistema com urgência",
        "quero um motoboy já",
        "não chegou, preciso agora",
    ],
)
def test_urgency_is_heard_beside_a_denial_of_something_else(message: str) -> None:
    assert rules.classify(message).urgent


@pytest.mark.parametrize(
    "message",
    [
        "a minha empresa precisa de um sistema mas quem decide é meu chefe",
        "não sou o dono",
        "não sou dona da loja",
        "sou secretária do dono",
        "sou a secretária da clínica, minha empresa precisa de um site",
        "sou funcionário, minha empresa quer um app",
        "meu patrão quer um site pra nossa loja",
        "aqui é a recepcionista da nossa clínica",
    ],
)
def test_who_does_not_decide_is_no_decision_maker(message: str) -> None:
    assert not rules.classify(message).decision_maker


@pytest.mark.parametrize(
    "message",
    [
        "sou dono e tenho 3 funcionários",
        "sou o dono e tenho uma secretária",
        "não sou boa com tecnologia, sou dona da loja",
        "minha empresa é pequena, quem decide é eu",
        "sou sócia, não sou da área de tecnologia",
    ],
)
def test_who_decides_may_speak_of_those_who_do_not(message: str) -> None:
    assert rules.classify(message).decision_maker


@pytest.mark.parametrize(
    ("message", "wishes"),
    [
        ("preciso de um site e quero ser entregador", {SOFTWARE, DRIVER}),
        ("quero um sistema, e tambem preciso de um motoboy agora e quero cadastrar minha loja", {SOFTWARE, DELIVERY, MERCHANT}),
        ("preciso de um motoboy agora e de um site pra minha empresa", {SOFTWARE, DELIVERY}),
        ("quero um site, quero cadastrar minha loja", {SOFTWARE, MERCHANT}),
        # One wish, however many verbs it has.
        ("tenho uma loja e quero entregas", {MERCHANT}),
        ("tenho uma loja, quero um motoboy", {MERCHANT}),
        ("quero um app e preciso que o motoboy receba o pedido", {SOFTWARE}),
        ("quero um sistema e quero controlar os entregadores", {SOFTWARE}),
        ("quero um site e quero um painel de pedidos", {SOFTWARE}),
        ("preciso de um site e de uma pessoa que cuide dele", {SOFTWARE}),
        ("tenho moto e quero ser entregador", {DRIVER}),
    ],
)  # fmt: skip
def test_wishes_that_a_word_joins(message: str, wishes: set[Intent]) -> None:
    assert {found.intent for found in rules.classify(message).intents} == wishes


@pytest.mark.parametrize(
    ("message", "intent"),
    [
        ("vocês estão precisando de motoboy?", DRIVER),
        ("vi que vcs precisam de entregador", DRIVER),
        ("oi boa tarde eu vi que vocês estão precisando de entregador eu tenho uma moto e moro em Castro", DRIVER),
        ("quero fazer umas corridas com vcs", DRIVER),
        ("tenho moto, tem vaga?", DRIVER),
        ("quero fazer parte da equipe de entregas", DRIVER),
        ("na verdade eu queria era fazer entrega com minha moto", DRIVER),
        # Who needs a courier.
        ("to precisando de um motoboy", DELIVERY),
        ("preciso de um motoboy pra fazer entregas", DELIVERY),
        ("quero um motoboy para fazer entregas hoje", DELIVERY),
        ("quero fazer uma entrega", DELIVERY),
        ("vocês têm motoboy?", DELIVERY),
        ("minha loja está precisando de motoboy", MERCHANT),
        ("preciso que alguém busque um documento na rua das flores", DELIVERY),
        ("preciso que vcs busquem uma encomenda na rua tal", DELIVERY),
        ("quero que alguém me explique o que vocês fazem", ABOUT_US),
        # Matters of law and of money.
        ("preciso revisar o contrato", ABOUT_US),
        ("fui cobrado errado", ABOUT_US),
        ("me passa o valor agora", ABOUT_US),
        ("o que vocês cobram?", ABOUT_US),
        ("quero um sistema de contratos", SOFTWARE),
        # Robots: to be had, and to be rid of.
        ("que robô burro", VAGUE),
        ("cansei de robo", VAGUE),
        ("meus clientes cansaram de esperar, quero um robô no whatsapp", SAAS),
    ],
)
def test_near_and_yet_another_thing(message: str, intent: Intent) -> None:
    assert rules.classify(message).primary.intent == intent


@pytest.mark.parametrize(
    "message",
    [
        "quero falar com o gerente",
        "posso falar com o dono?",
        "quero falar com o comercial",
        "tem alguém aí de verdade?",
        "chama alguém então",
        "alguém pode me ajudar?",
        "alguém me ajuda",
        "cansei de robô",
        "human",
        "I want to talk to a human please",
        "quiero hablar con una persona",
        "quero falar c alguem",
        "quero falar c/ um atendente",
        "não é isso, quero uma pessoa",
        "nao quero bot quero humano",
        "n quero robo quero pessoa",
        "me passa o comercial",
    ],
)
def test_a_person_is_asked_for_in_other_words(message: str) -> None:
    assert rules.classify(message).wants_human


@pytest.mark.parametrize(
    "message",
    [
        "vou falar com o dono e te aviso",
        "preciso falar com o dono antes",
        "tenho que falar com o gerente",
        "dono",
        "gerente",
        "comercial",
        "tem alguém na empresa que cuida do estoque",
        "quando o cliente pede o sistema chama alguém",
        "falar com atendente pelo chat, cadastro",
        "preciso de alguém que me ajude com o site da minha loja",
        "o agente de viagens atende pelo whats",
        "tem alguém aí?",
        "sou o dono da padaria",
        "quero um sistema pra pessoa física",
        "quero cadastrar uma pessoa",
        "c a gente conversa",
        "o cliente fala c um atendente pelo app",
        "não quero uma pessoa",
    ],
)
def test_speaking_of_other_people_is_not_asking_for_one(message: str) -> None:
    assert not rules.classify(message).wants_human


def test_a_person_is_declined_in_favour_of_the_machine() -> None:
    assert rules.declines_human("não quero falar com humano, prefiro vc")
    assert rules.declines_human("prefiro falar com você")
    assert not rules.declines_human("não quero falar com robô, prefiro um humano")
    assert not rules.declines_human("prefiro não dizer")
    assert not rules.declines_human("não quero perder clientes")


@pytest.mark.parametrize(
    "message",
    [
        "tchau",
        "até logo",
        "falou",
        "depois eu volto",
        "ok obrigado, volto mais tarde",
        "hj to ocupado te respondo depois",
    ],
)
def test_a_goodbye_is_heard(message: str) -> None:
    assert rules.is_goodbye(message)


@pytest.mark.parametrize(
    "message",
    [
        "até amanhã",
        "depois",
        "amanhã",
        "agora não",
        "o cliente fala tchau e some",
        "meu atendente falou que depois volta",
        "responder depois que a loja fecha",
        "ok",
        "obrigado",
        "",
    ],
)
def test_what_may_be_an_answer_is_no_goodbye(message: str) -> None:
    assert not rules.is_goodbye(message)


@pytest.mark.parametrize("message", ["que merda de robô", "vai se fuder", "bosta de atendimento", "vai se foder"])
def test_an_insult_is_heard(message: str) -> None:
    assert rules.is_insult(message)


@pytest.mark.parametrize("message", ["coleta de lixo de empresas", "deu merda no meu sistema", "meu robô aspirador"])
def test_strong_words_about_something_else_are_no_insult(message: str) -> None:
    assert not rules.is_insult(message)


@pytest.mark.parametrize(
    "message",
    [
        "vocês integram com google agenda?",
        "vocês já fizeram algo assim?",
        "tem que ser de dia?",
        "é seguro?",
        "vcs tem cnpj?",
        "dá pra fazer por 2 mil?",
    ],
)
def test_a_question_of_the_customers_own(message: str) -> None:
    assert rules.asks(message)


@pytest.mark.parametrize(
    "message",
    [
        "em Castro?",
        "Ponta Grossa?",
        "um app pra agendar?",
        "agenda e estoque?",
        "10 pessoas, pode?",
        "whats e insta",
        "é Castro?",
    ],
)
def test_a_trial_answer_is_no_question(message: str) -> None:
    assert not rules.asks(message)
